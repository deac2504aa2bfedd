import { status } from '@grpc/grpc-js';
import type { Cause } from '../fallback/strategy.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { followParent } from './follow-parent.js';
import { endLater } from './over.js';
import { recordCancelled } from './record-end.js';
import type { Unanswered } from './unanswered.js';

/**
 * A fallback is needed, but the caller has not sent the whole request yet. The chain is asked when the request is complete. The
 * wait is bounded: at the deadline the chain is asked with the messages so far, and after `abandonedAfterMs` a caller that does
 * not end its stream gets the error.
 */
export class AwaitingRequest implements Stage {
  readonly unanswered: Unanswered;
  readonly cause: Cause;
  private readonly askChain: (call: Call, waited: AwaitingRequest) => void;
  private watching: { cancelTimer(): void; leaveParent(): void } | undefined;

  constructor(unanswered: Unanswered, cause: Cause, askChain: (call: Call, waited: AwaitingRequest) => void) {
    this.unanswered = unanswered;
    this.cause = cause;
    this.askChain = askChain;
  }

  /** Watches the deadline and the parent, because no real call does so. */
  watch(call: Call): void {
    const { clock, settings } = call.method;
    // A timer may fire up to a millisecond early, and a call that ends before its deadline has not exceeded it.
    const leftMs = Math.max(0, call.deadlineMs - Date.now()) + 1;
    const { abandonedAfterMs } = settings;
    const cancelTimer =
      leftMs <= abandonedAfterMs
        ? clock.setTimer(() => this.proceed(call), leftMs)
        : clock.setTimer(() => this.abandon(call), abandonedAfterMs);
    this.watching = { cancelTimer, leaveParent: () => {} };
    const leaveParent = followParent(call, (details) => this.cancel(call, status.CANCELLED, details));
    if (call.stage === this) this.watching = { cancelTimer, leaveParent };
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }

  startRead(call: Call): void {
    call.reads++;
  }

  halfClose(call: Call): void {
    if (call.halfClosed) return;
    call.halfClosed = true;
    if (this.watching === undefined) return; // not before `lookAgain()`, which runs in the next turn
    this.leave();
    setImmediate(() => this.proceed(call));
  }

  cancel(call: Call, code: status, details: string): void {
    this.leave();
    endLater(call, code, details);
    recordCancelled(call, this.unanswered.entry, this.cause, code); // last: an observer may cancel the call as well
  }

  /** Asks the chain, unless the call has ended. */
  proceed(call: Call): void {
    if (call.stage !== this) return;
    this.leave();
    this.askChain(call, this);
  }

  private abandon(call: Call): void {
    if (call.stage !== this) return;
    this.leave();
    this.unanswered.giveUp(call, "the caller's stream did not end", false);
  }

  private leave(): void {
    this.watching?.cancelTimer();
    this.watching?.leaveParent();
  }
}
