import type { InterceptingListener, StatusObject, status } from '@grpc/grpc-js';
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
  const stage = new Rejecting(entry, by, rejectionStatus(by.entry.key, by.rejection, call.deadlineMs));
  call.stage = stage;
  setImmediate(end, call, stage);
  stage.scheduleStatus(call.listener);
}

/** Ends the stage, directly before the caller gets the status. */
function end(call: Call, stage: Rejecting): void {
  if (call.stage === stage) stage.end(call);
}

class Rejecting implements Stage {
  /** The circuit of the call's own key. */
  private readonly own: Entry;
  private readonly by: RejectedBy;
  private readonly rejected: StatusObject;
  /** The caller's function for the status, as it was when the call was rejected. */
  private receive: Partial<InterceptingListener>['onReceiveStatus'] = undefined;
  /** The scheduled call of `receive`. */
  private delivery: NodeJS.Immediate | undefined = undefined;

  constructor(own: Entry, by: RejectedBy, rejected: StatusObject) {
    this.own = own;
    this.by = by;
    this.rejected = rejected;
  }

  /**
   * Lets the event loop call the caller's function itself. A function of ours between them would be a frame in the stack of the
   * caller's error, and grpc-js formats this stack (docs/decisions/interceptor-cost.md).
   */
  scheduleStatus(listener: Partial<InterceptingListener>): void {
    const { onReceiveStatus } = listener;
    if (typeof onReceiveStatus !== 'function') return;
    this.receive = onReceiveStatus;
    const bound = Reflect.apply(Function.prototype.bind, onReceiveStatus, [listener]);
    this.delivery = setImmediate(bound, this.rejected);
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

  end(call: Call): void {
    call.stage = OVER;
    recordNoAnswer(call, this.own, causeOf(this.by.rejection), this.rejected.code);
    try {
      if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
    } finally {
      this.deliverIfChanged(call.listener);
    }
  }

  /** Gives the status to a listener that has another function now: an interceptor may set it after the call's start. */
  private deliverIfChanged(listener: Partial<InterceptingListener>): void {
    if (listener.onReceiveStatus === this.receive) return;
    clearImmediate(this.delivery);
    listener.onReceiveStatus?.(this.rejected);
  }
}
