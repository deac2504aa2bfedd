import type { status } from '@grpc/grpc-js';
import { admit } from './admission.js';
import { awaitMessage } from './awaiting-message.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { endLater } from './over.js';

/** The call was made, and not started yet. */
class NotStarted implements Stage {
  start(call: Call): void {
    const waits = call.callOptions.key === undefined && call.method.settings.keyPart.needsRequest;
    // The caller may reuse the metadata for its next call at once.
    if (waits || call.chain?.readsCall === true) call.metadata = call.metadata.clone();
    if (waits) awaitMessage(call);
    else admit(call);
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(call: Call): void {
    call.reads++;
  }
  halfClose(call: Call): void {
    call.halfClosed = true;
  }
  cancel(call: Call, code: status, details: string): void {
    call.stage = new CancelledEarly(code, details);
  }
}

export const NOT_STARTED: Stage = new NotStarted();

/** Cancelled before its start: the status waits for the listener, which comes with the start. */
class CancelledEarly implements Stage {
  private readonly code: status;
  private readonly details: string;

  constructor(code: status, details: string) {
    this.code = code;
    this.details = details;
  }

  start(call: Call): void {
    endLater(call, this.code, this.details);
  }
  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(): void {}
}
