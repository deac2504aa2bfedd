import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { withFallbackStory } from '../status/rejection.js';
import type { Call } from './call.js';
import { OVER } from './over.js';
import { recordPrimaryEnd } from './record-end.js';
import type { Unanswered } from './unanswered.js';

/** The parts of a real call's answer that are held back from the caller as long as a fallback can replace the call. */
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

  /** Gives the caller all parts. A listener that throws for the metadata still gets the message, as without a guard. */
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

/** A real call that failed. The caller gets the parts of its answer that were held back if no fallback answers. */
export class FailedPrimary implements Unanswered {
  readonly entry: Entry;
  private readonly held: HeldAnswer;
  /** The status that the server sent. The caller gets its code and details unchanged. */
  private readonly received: StatusObject;
  private readonly normal: StatusObject;
  private readonly outcome: Outcome;

  constructor(
    entry: Entry,
    held: HeldAnswer,
    received: StatusObject,
    normal: StatusObject,
    outcome: Outcome,
  ) {
    this.entry = entry;
    this.held = held;
    this.received = received;
    this.normal = normal;
    this.outcome = outcome;
  }

  status(_call: Call, story: string | undefined): StatusObject {
    if (story === undefined || this.normal.code === status.OK) return this.received;
    const { metadata } = withFallbackStory(this.normal, story);
    return { ...this.received, metadata };
  }

  giveUp(call: Call, story: string | undefined): void {
    recordPrimaryEnd(call, this.entry, this.outcome, this.normal.code);
    this.held.releaseWith(call, this.status(call, story));
  }
}
