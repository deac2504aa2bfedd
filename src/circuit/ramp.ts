import type { ResolvedRamp } from './options/resolve.js';

/** A tenth of the ramp: rejected callers come back spread over it, not all at its end. */
const RETRY_STEPS = 10;
/** What adding up shares such as 0.1 loses. */
const ROUNDING = 1e-9;
/**
 * The most that returned calls add up to: one call that is due, and one more. With less, a ramp whose every admission a
 * parent refuses would fall behind its own share; without a bound, it would let all of them out at once later.
 */
const MOST_RETURNED = 2;

/** Admits a share of the calls that grows from `initialShare` to 1; which ones is arithmetic, not chance. */
export class Ramp {
  readonly endMs: number;
  readonly #startMs: number;
  readonly #options: ResolvedRamp;
  /** What the share has added up to since the last admission; the first call is always admitted. */
  #credit: number;

  constructor(options: ResolvedRamp, startMs: number) {
    this.#options = options;
    this.#startMs = startMs;
    this.endMs = startMs + options.durationMs;
    this.#credit = 1 - options.initialShare;
  }

  admits(nowMs: number): boolean {
    const { initialShare, durationMs } = this.#options;
    const passed = (nowMs - this.#startMs) / durationMs;
    this.#credit += initialShare + (1 - initialShare) * passed;
    if (this.#credit < 1 - ROUNDING) return false;
    this.#credit -= 1;
    return true;
  }

  /** An admitted call did not go out after all: the next one may in its place. */
  giveBack(): void {
    this.#credit = Math.min(MOST_RETURNED, this.#credit + 1);
  }

  retryAfterMs(nowMs: number): number {
    return Math.min(this.endMs - nowMs, this.#options.durationMs / RETRY_STEPS);
  }
}
