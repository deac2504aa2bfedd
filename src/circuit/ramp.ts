import type { ResolvedRamp } from './options.js';

/** A tenth of the ramp: rejected callers come back spread over it, not all at its end. */
const RETRY_STEPS = 10;
/** What adding up shares such as 0.1 loses. */
const ROUNDING = 1e-9;

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

  retryAfterMs(nowMs: number): number {
    return Math.min(this.endMs - nowMs, this.#options.durationMs / RETRY_STEPS);
  }

  /** The same ramp, as if it had begun then. */
  startingAt(startMs: number): Ramp {
    return new Ramp(this.#options, startMs);
  }
}
