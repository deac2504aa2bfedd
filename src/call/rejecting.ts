import type { status } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import { rejectionStatus } from '../status/rejection.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { endLater, OVER } from './over.js';
import type { RejectedBy } from './permits.js';
import { causeOf, recordCancelled, recordNoAnswer } from './record-end.js';

/**
 * Ends a rejected call that has no fallback, in the next turn of the event loop. A synchronous status would be lost; and in a
 * microtask or `nextTick`, a caller that retries in its callback would starve the event loop.
 *
 * The event loop calls the caller's listener itself, without a function of ours between them: grpc-js's error for the caller
 * formats the stack, and one more frame costs as much as everything else that the guard does for a rejection.
 */
export function reject(call: Call, entry: Entry, by: RejectedBy): void {
  const { listener } = call;
  const rejected = rejectionStatus(by.entry.key, by.rejection, call.deadlineMs);
  const stage = new Rejecting(entry, by);
  call.stage = stage;
  setImmediate(end, call, stage, rejected.code);
  const giveStatus = listener.onReceiveStatus?.bind(listener);
  if (giveStatus !== undefined) stage.delivery = setImmediate(giveStatus, rejected);
}

class Rejecting implements Stage {
  /** The circuit of the call's own key. */
  readonly own: Entry;
  readonly by: RejectedBy;
  /** The call of the caller's listener for the status. */
  delivery: NodeJS.Immediate | undefined = undefined;

  constructor(own: Entry, by: RejectedBy) {
    this.own = own;
    this.by = by;
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(call: Call, code: status, details: string): void {
    clearImmediate(this.delivery);
    endLater(call, code, details);
    recordCancelled(call, this.own, causeOf(this.by.rejection), code); // last: an observer may cancel the call as well
  }
}

/** Ends the stage, directly before the caller gets the status. */
function end(call: Call, stage: Rejecting, code: status): void {
  if (call.stage !== stage) return;
  call.stage = OVER;
  recordNoAnswer(call, stage.own, causeOf(stage.by.rejection), code);
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
}
