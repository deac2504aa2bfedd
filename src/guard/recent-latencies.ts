import { nearestRank } from '../circuit/index.js';

/** How many durations are kept. */
const SIZE = 128;
/** A percentile of fewer durations depends on chance. */
const FEWEST = 20;
/** A percentile is computed anew after this many new durations. */
const FRESH = 16;

/** The durations of the last 128 successful calls of a circuit, and a percentile of them. Takes 1 kB. */
export class RecentLatencies {
  readonly #ring = new Float64Array(SIZE);
  #recorded = 0;
  #percentile = Number.NaN;
  #computedAt = 0;
  #computedMs = Number.POSITIVE_INFINITY;

  record(durationMs: number): void {
    this.#ring[this.#recorded % SIZE] = durationMs;
    this.#recorded += 1;
  }

  /** The percentile (nearest rank) in milliseconds, at most 16 calls old; Infinity before there are 20 calls. */
  percentileMs(percentile: number): number {
    if (this.#recorded < FEWEST) return Number.POSITIVE_INFINITY;
    if (percentile !== this.#percentile || this.#recorded - this.#computedAt >= FRESH) {
      const sorted = this.#ring.slice(0, Math.min(this.#recorded, SIZE)).sort();
      this.#percentile = percentile;
      this.#computedAt = this.#recorded;
      this.#computedMs = sorted[nearestRank(percentile, sorted.length) - 1] ?? Number.POSITIVE_INFINITY;
    }
    return this.#computedMs;
  }
}
