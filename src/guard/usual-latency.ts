import { RecentLatencies } from './recent-latencies.js';

/** The median is used only after this many calls, because it is not reliable before. */
const WARM_UP_CALLS = 20;
/** The step by which each value moves the median, as a share of the median: at the beginning, and later. */
const FIRST_STEP = 0.2;
const STEP = 0.01;
/** The least median. From 0 it could never rise, because its step is a share of itself. */
const SMALLEST_MS = 0.001;

/**
 * A moving median of the durations of successful calls, in constant space: a longer duration raises the median by a step, a shorter
 * one lowers it. It moves slowly on purpose: when a model turns slow, its time-outs must count as evidence before the slowness
 * becomes usual.
 */
export class UsualLatency {
  #medianMs = 0;
  #calls = 0;
  /** Made when a percentile is first read. */
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

  /** A percentile of the durations since the first read, in milliseconds; Infinity while there are too few. */
  percentileMs(percentile: number): number {
    this.#recent ??= new RecentLatencies();
    return this.#recent.percentileMs(percentile);
  }

  /** The median in milliseconds; 0 while there are too few calls. */
  get ms(): number {
    return this.#calls < WARM_UP_CALLS ? 0 : this.#medianMs;
  }
}
