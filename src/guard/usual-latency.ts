import { RecentLatencies } from './recent-latencies.js';

/** The median is reliable, and used, from this number of calls on. */
const WARM_UP_CALLS = 20;
/** The step by which a value moves the median, as a share of it: at the beginning, and later. */
const FIRST_STEP = 0.2;
const STEP = 0.01;
/** Not zero, which a share of itself cannot raise. */
const SMALLEST_MS = 0.001;

/**
 * A moving median of the durations of successful calls, in constant space: a value above it raises it by a step, a value below
 * lowers it. It moves slowly on purpose. When a model turns slow, its time-outs must count as evidence before the slowness is
 * usual.
 */
export class UsualLatency {
  #medianMs = 0;
  #calls = 0;
  /** Only where a percentile is asked for. */
  #recent: RecentLatencies | undefined;

  record(durationMs: number): void {
    this.#calls++;
    this.#recent?.record(durationMs);
    if (this.#calls === 1) {
      this.#medianMs = Math.max(durationMs, SMALLEST_MS);
      return;
    }
    const step = Math.max(STEP, FIRST_STEP / Math.sqrt(this.#calls));
    this.#medianMs *= durationMs > this.#medianMs ? 1 + step : 1 / (1 + step);
  }

  /** A percentile of the last answers since it was first asked for, in milliseconds; Infinity while there are too few. */
  percentileMs(percentile: number): number {
    this.#recent ??= new RecentLatencies();
    return this.#recent.percentileMs(percentile);
  }

  /** The median in milliseconds; 0 while there are too few calls. */
  get ms(): number {
    return this.#calls < WARM_UP_CALLS ? 0 : this.#medianMs;
  }
}
