/** A median of fewer values says little: until then, nothing is usual. */
const WARM_UP_CALLS = 20;
/** How far one value moves the median, while it is being found and afterwards: a share of itself. */
const FIRST_STEP = 0.2;
const STEP = 0.01;
/** Zero could not be raised by a share of itself. */
const SMALLEST_MS = 0.001;

/**
 * A moving median of what successful calls took, in constant space: a value above it raises it by a step, one below lowers it.
 * It moves slowly on purpose. A model that turns slow must not make its own time-outs look like the usual case before the
 * trip rules have seen them.
 */
export class UsualLatency {
  #medianMs = 0;
  #calls = 0;

  record(durationMs: number): void {
    this.#calls++;
    if (this.#calls === 1) {
      this.#medianMs = Math.max(durationMs, SMALLEST_MS);
      return;
    }
    const step = Math.max(STEP, FIRST_STEP / Math.sqrt(this.#calls));
    this.#medianMs *= durationMs > this.#medianMs ? 1 + step : 1 / (1 + step);
  }

  /** The median in milliseconds; 0 while too few calls are known. */
  get ms(): number {
    return this.#calls < WARM_UP_CALLS ? 0 : this.#medianMs;
  }
}
