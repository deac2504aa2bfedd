/** So many answers are remembered. */
const SIZE = 128;
/** With fewer, a percentile is luck. */
const FEWEST = 20;
/** A percentile is computed anew after this number of new answers. */
const FRESH = 16;

/** The durations of the last 128 successful calls of a circuit, and a percentile of them. It costs 1 kB. */
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

  /** The percentile (nearest rank), at most 16 answers old; Infinity before there are 20. */
  percentileMs(percentile: number): number {
    if (this.#recorded < FEWEST) return Number.POSITIVE_INFINITY;
    if (percentile !== this.#percentile || this.#recorded - this.#computedAt >= FRESH) {
      const sorted = this.#ring.slice(0, Math.min(this.#recorded, SIZE)).sort();
      this.#percentile = percentile;
      this.#computedAt = this.#recorded;
      this.#computedMs =
        sorted[Math.ceil((percentile / 100) * sorted.length) - 1] ?? Number.POSITIVE_INFINITY;
    }
    return this.#computedMs;
  }
}
