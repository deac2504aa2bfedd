import type { status } from '@grpc/grpc-js';
import { rejectionStatus } from '../status/rejection.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { endLater, OVER } from './over.js';
import type { RejectedBy } from './permits.js';

/**
 * Ends a call that a circuit did not admit and no fallback answers. Never in this turn: a synchronous status would be lost,
 * and one in a microtask or nextTick lets a caller that tries again in its callback starve the event loop.
 */
export function reject(call: Call, by: RejectedBy): void {
  const stage = new Rejecting(by);
  call.stage = stage;
  setImmediate(giveRejection, call, stage);
}

class Rejecting implements Stage {
  readonly by: RejectedBy;

  constructor(by: RejectedBy) {
    this.by = by;
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(call: Call, code: status, details: string): void {
    endLater(call, code, details);
  }
}

/** In as few frames as can be: most of what a rejection costs is grpc-js writing down the stack of its error. */
function giveRejection(call: Call, stage: Rejecting): void {
  if (call.stage !== stage) return;
  call.stage = OVER;
  const { entry, rejection } = stage.by;
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
  call.listener.onReceiveStatus?.(rejectionStatus(entry.key, rejection, call.deadlineMs));
}
