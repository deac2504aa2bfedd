import { checkNumber } from '../checks.js';
import type { Clock, EventLoop } from '../clock.js';

interface Timer {
  readonly dueAt: number;
  /** Breaks ties: timers of the same time run in the order in which they were set. */
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  /** Milliseconds by which the wall clock is ahead of `now()`. */
  #epochAheadMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();
  #idleMs = 0;
  #turns = 0;
  /** The event loop: it idles while {@link advance} moves the time, and stands still in a {@link stall}. */
  readonly loop: EventLoop = { idleMs: () => this.#idleMs, turns: () => this.#turns };

  /** @param startMs the first value of `now()`, in milliseconds. @default 0 */
  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  /** The same as `now()`, until {@link stepEpoch} moves it. */
  epochMs(): number {
    return this.#now + this.#epochAheadMs;
  }

  /**
   * Sets the wall clock forward or back, as an administrator, NTP or a sleeping machine does. No timer runs.
   * @param ms milliseconds; negative: back
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  stepEpoch(ms: number): void {
    this.#epochAheadMs += checkNumber('stepEpoch.ms', ms, Number.MIN_SAFE_INTEGER);
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    // Like Node's timers: a negative delay counts as 0, and no timer runs within the call that sets it.
    const timer: Timer = { dueAt: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Number of timers that have neither run nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /**
   * Moves time forward and runs, in order, every timer that becomes due, also timers that these timers set. While a timer runs,
   * `now()` is its due time. A timer that throws stops the move at its due time.
   * @param ms milliseconds, at least 0; 0 runs the timers that are due now
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  advance(ms: number): void {
    const end = this.#now + checkNumber('advance.ms', ms, 0);
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#idleUntil(next.dueAt);
      next.callback();
    }
    this.#idleUntil(end);
  }

  /**
   * Moves time forward as a garbage collection or synchronous work does: timers that become due run late, in the next
   * {@link advance}.
   * @param ms milliseconds, at least 0
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  stall(ms: number): void {
    this.#now += checkNumber('stall.ms', ms, 0);
  }

  #idleUntil(ms: number): void {
    this.#idleMs += Math.max(0, ms - this.#now);
    this.#now = Math.max(this.#now, ms);
    this.#turns += 1;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt > end) continue;
      if (first && (timer.dueAt - first.dueAt || timer.order - first.order) >= 0) continue;
      first = timer;
    }
    return first;
  }
}
