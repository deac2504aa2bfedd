import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Call } from './call.js';
import { OVER } from './over.js';

/** The parts of a real call's answer that are held back until no fallback can replace them any more. */
export class HeldAnswer {
  private metadata: Metadata | undefined;
  private message: unknown;

  holdMetadata(metadata: Metadata): void {
    this.metadata = metadata;
  }

  holdMessage(message: unknown): void {
    this.message = message;
  }

  get hasMessage(): boolean {
    return this.message !== undefined;
  }

  releaseMetadata(call: Call): void {
    const { metadata } = this;
    if (metadata === undefined) return;
    this.metadata = undefined;
    call.listener.onReceiveMetadata?.(metadata);
  }

  /** A listener that throws for the metadata still gets the message, as without a guard. */
  release(call: Call): void {
    try {
      this.releaseMetadata(call);
    } finally {
      const { message } = this;
      this.message = undefined;
      if (message !== undefined) call.listener.onReceiveMessage?.(message);
    }
  }

  /** Ends the call with the server's own status. */
  releaseWith(call: Call, received: StatusObject): void {
    try {
      if (!this.hasMessage && !call.options.method_definition.responseStream) this.message = null;
      this.release(call);
    } finally {
      call.stage = OVER;
      call.listener.onReceiveStatus?.(received);
    }
  }
}
