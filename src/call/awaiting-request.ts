import { status } from '@grpc/grpc-js';
import type { Cause } from '../fallback/strategy.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { followParent } from './follow-parent.js';
import { endLater } from './over.js';
import type { Unanswered } from './unanswered.js';

/**
 * A fallback is to be asked, and the caller has not sent everything yet: a part of a request is none. The wait is bounded by
 * the deadline, at which the chain is asked with what there is, and by `abandonedAfterMs`: a caller that does not end its
 * stream must still learn what happened.
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

  /** Watches the time and the parent, which no real call does now. */
  watch(call: Call): void {
    const { clock, settings } = call.method;
    const leftMs = Math.max(0, call.deadlineMs - Date.now());
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
    if (this.watching === undefined) return; // it is looked at in the next turn
    this.leave();
    setImmediate(() => this.proceed(call));
  }

  cancel(call: Call, code: status, details: string): void {
    this.leave();
    endLater(call, code, details);
  }

  /** Asks the chain, unless the call was ended meanwhile. */
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
