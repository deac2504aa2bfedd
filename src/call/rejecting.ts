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
 */
export function reject(call: Call, entry: Entry, by: RejectedBy): void {
  const stage = new Rejecting(entry, by);
  call.stage = stage;
  setImmediate(giveRejection, call, stage);
}

class Rejecting implements Stage {
  /** The circuit of the call's own key. */
  readonly own: Entry;
  readonly by: RejectedBy;

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
    endLater(call, code, details);
    recordCancelled(call, this.own, causeOf(this.by.rejection), code); // last: an observer may cancel the call as well
  }
}

/** Has as few stack frames as possible, because the stack of grpc-js's error is most of the cost of a rejection. */
function giveRejection(call: Call, stage: Rejecting): void {
  if (call.stage !== stage) return;
  call.stage = OVER;
  const { entry, rejection } = stage.by;
  const rejected = rejectionStatus(entry.key, rejection, call.deadlineMs);
  recordNoAnswer(call, stage.own, causeOf(rejection), rejected.code);
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
  call.listener.onReceiveStatus?.(rejected);
}
