import type { Clock } from '../../clock.js';

/** The time limits of a real request: its deadline, and the wait for its first event. */
export class TimeLimits {
  private readonly clock: Clock;
  private readonly onLimit: (error: Error) => void;
  private stopDeadline: () => void = nothing;
  private stopFirstEvent: () => void = nothing;

  /** @param onLimit called with a `TimeoutError` when a limit has passed */
  constructor(clock: Clock, onLimit: (error: Error) => void) {
    this.clock = clock;
    this.onLimit = onLimit;
  }

  /** Sets the deadline in place of the earlier deadline. @param deadlineMs milliseconds since the epoch */
  limitTo(deadlineMs: number): void {
    this.stopDeadline();
    this.stopDeadline = this.limitIn(deadlineMs - Date.now(), 'failsoft: deadline exceeded');
  }

  limitFirstEvent(ms: number): void {
    this.stopFirstEvent();
    this.stopFirstEvent = this.limitIn(ms, `failsoft: no first event within ${ms} ms`);
  }

  /** Ends the wait for the first event, because the server answers with a whole document. */
  awaitNoEvent(): void {
    this.stopFirstEvent();
  }

  stop(): void {
    this.stopDeadline();
    this.stopFirstEvent();
  }

  private limitIn(ms: number, details: string): () => void {
    if (ms === Number.POSITIVE_INFINITY) return nothing;
    const expire = () => this.onLimit(new DOMException(details, 'TimeoutError'));
    return this.clock.setTimer(expire, Math.max(0, ms));
  }
}

function nothing(): void {}
