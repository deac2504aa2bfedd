import { decodeUnits, encodeLatency, LATENCY_CODES, unitsToMs } from './latency-code.js';
import { nearestRank } from './nearest-rank.js';
import type { Window, WindowSpec } from './window.js';

const CALLS = 0;
const UNHEALTHY = 1;
const SUM = 2;
const UNTIMED = 3;
const FIRST_MARK = 4;
/** Histograms drop three of the code's bits: 8 steps per doubling, percentiles within 1/16. */
const COARSE_BITS = 3;
const COARSE_CODES = LATENCY_CODES >>> COARSE_BITS;

/**
 * The outcomes of the last `durationMs`, in buckets: a row of counters per bucket and a row of totals. The row of a bucket that
 * leaves is subtracted from the totals, so reading is O(1) and recording O(1) amortised. Latencies are kept as a coarse
 * histogram per bucket, for the percentiles of snapshots; the trip rules count exactly.
 */
export class TimeWindow implements Window {
  calls = 0;
  unhealthy = 0;
  readonly #thresholdsMs: readonly number[];
  readonly #buckets: number;
  readonly #bucketMs: number;
  readonly #width: number;
  /** A row per bucket, then the totals (whose calls and unhealthy are the fields above). */
  readonly #rows: Float64Array;
  readonly #histogram: Uint32Array;
  /** The time of the newest row, in whole bucket lengths. */
  #slot: number;
  #row = 0;

  constructor(spec: WindowSpec, durationMs: number, buckets: number, nowMs: number) {
    this.#thresholdsMs = spec.thresholdsMs;
    this.#buckets = buckets;
    this.#bucketMs = durationMs / buckets;
    this.#width = FIRST_MARK + spec.thresholdsMs.length;
    this.#rows = new Float64Array((buckets + 1) * this.#width);
    this.#histogram = new Uint32Array(buckets * COARSE_CODES);
    this.#slot = Math.floor(nowMs / this.#bucketMs);
  }

  get timed(): number {
    return this.calls - this.#total(UNTIMED);
  }

  record(unhealthy: boolean, durationMs: number | undefined, nowMs: number): void {
    this.roll(nowMs);
    this.calls += 1;
    this.#add(CALLS, 1);
    if (unhealthy) {
      this.unhealthy += 1;
      this.#add(UNHEALTHY, 1);
    }
    if (durationMs === undefined) {
      this.#add(UNTIMED, 1);
      return;
    }
    const code = encodeLatency(durationMs);
    this.#add(SUM, code);
    const thresholdsMs = this.#thresholdsMs;
    for (let mark = 0; mark < thresholdsMs.length; mark++) {
      if (durationMs > (thresholdsMs[mark] ?? 0)) this.#add(FIRST_MARK + mark, 1);
    }
    const bin = this.#row * COARSE_CODES + (code >>> COARSE_BITS);
    this.#histogram[bin] = (this.#histogram[bin] ?? 0) + 1;
  }

  #add(column: number, amount: number): void {
    const rows = this.#rows;
    const at = this.#row * this.#width + column;
    const total = this.#buckets * this.#width + column;
    rows[at] = (rows[at] ?? 0) + amount;
    rows[total] = (rows[total] ?? 0) + amount;
  }

  roll(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#bucketMs);
    const steps = slot - this.#slot;
    if (steps <= 0) return;
    this.#slot = slot;
    if (steps >= this.#buckets) {
      this.clear();
      return;
    }
    for (let step = 0; step < steps; step++) this.#dropOldest();
  }

  #dropOldest(): void {
    this.#row = (this.#row + 1) % this.#buckets;
    const rows = this.#rows;
    const start = this.#row * this.#width;
    // an empty bucket has nothing to wipe, and the histogram is large
    if (rows[start + CALLS] === 0) return;
    this.calls -= rows[start + CALLS] ?? 0;
    this.unhealthy -= rows[start + UNHEALTHY] ?? 0;
    for (let column = 0; column < this.#width; column++) {
      const total = this.#buckets * this.#width + column;
      rows[total] = (rows[total] ?? 0) - (rows[start + column] ?? 0);
      rows[start + column] = 0;
    }
    this.#histogram.fill(0, this.#row * COARSE_CODES, (this.#row + 1) * COARSE_CODES);
  }

  clear(): void {
    if (this.calls === 0) return;
    this.calls = 0;
    this.unhealthy = 0;
    this.#rows.fill(0);
    this.#histogram.fill(0);
  }

  marked(mark: number): number {
    return this.#total(FIRST_MARK + mark);
  }

  meanCode(): number {
    const { timed } = this;
    return timed === 0 ? 0 : this.#total(SUM) / timed;
  }

  #total(column: number): number {
    return this.#rows[this.#buckets * this.#width + column] ?? 0;
  }

  percentiles(wanted: readonly number[]): number[] | undefined {
    const { timed } = this;
    if (timed === 0) return undefined;
    const found: number[] = [];
    let seen = 0;
    for (let bin = 0; bin < COARSE_CODES && found.length < wanted.length; bin++) {
      for (let row = 0; row < this.#buckets; row++) seen += this.#histogram[row * COARSE_CODES + bin] ?? 0;
      const first = bin << COARSE_BITS;
      const last = first + (1 << COARSE_BITS) - 1;
      const middleMs = unitsToMs((decodeUnits(first) + decodeUnits(last)) / 2);
      for (let next = wanted[found.length]; next !== undefined; next = wanted[found.length]) {
        if (seen < nearestRank(next, timed)) break;
        found.push(middleMs);
      }
    }
    return found;
  }
}
