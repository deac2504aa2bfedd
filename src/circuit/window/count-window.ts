import { decodeUnits, encodeLatency, LATENCY_BITS, LATENCY_CODES, unitsToMs } from './latency-code.js';
import { nearestRank } from './nearest-rank.js';
import type { Window, WindowSpec } from './window.js';

const CODE_MASK = LATENCY_CODES - 1;
const UNHEALTHY = LATENCY_CODES;
/** The code of an entry without a latency; every latency's code is lower. */
const UNTIMED = CODE_MASK;
/** The bit of the first threshold, above the code and the unhealthy bit. */
const FIRST_MARK_BIT = LATENCY_BITS + 1;

/**
 * The last `size` outcomes, in one typed array: first a counter per mark, then a ring of entries. An entry has a latency code, a
 * bit for unhealthy, and a bit per threshold. The bits of the oldest entry show which counters go down when it leaves.
 */
export class CountWindow implements Window {
  calls = 0;
  unhealthy = 0;
  readonly #spec: WindowSpec;
  readonly #size: number;
  readonly #cells: Uint16Array | Uint32Array;
  #next = 0;
  #sumCodes = 0;
  #untimed = 0;

  constructor(spec: WindowSpec, size: number) {
    const marks = spec.thresholdsMs.length;
    const narrow = FIRST_MARK_BIT + marks <= 16 && size < 2 ** 16;
    this.#spec = spec;
    this.#size = size;
    this.#cells = narrow ? new Uint16Array(marks + size) : new Uint32Array(marks + size);
  }

  get timed(): number {
    return this.calls - this.#untimed;
  }

  record(unhealthy: boolean, durationMs: number | undefined): void {
    if (durationMs === undefined) {
      this.#push(unhealthy ? UNTIMED | UNHEALTHY : UNTIMED);
      this.#untimed += 1;
      return;
    }
    const { thresholdsMs } = this.#spec;
    let entry = encodeLatency(durationMs);
    if (unhealthy) entry |= UNHEALTHY;
    for (let mark = 0; mark < thresholdsMs.length; mark++) {
      if (durationMs > (thresholdsMs[mark] ?? 0)) entry |= 1 << (FIRST_MARK_BIT + mark);
    }
    this.#push(entry);
  }

  #push(entry: number): void {
    const cells = this.#cells;
    const marks = this.#spec.thresholdsMs.length;
    const at = marks + this.#next;
    // an empty cell is 0, like the entry of a healthy call that is over no threshold and took no time
    const oldest = cells[at] ?? 0;
    cells[at] = entry;
    this.#next = this.#next + 1 === this.#size ? 0 : this.#next + 1;
    if (this.calls < this.#size) this.calls += 1;
    if ((entry ^ oldest) & UNHEALTHY) this.unhealthy += entry & UNHEALTHY ? 1 : -1;
    const changed = (entry ^ oldest) >>> FIRST_MARK_BIT;
    if (changed !== 0) {
      for (let mark = 0; mark < marks; mark++) {
        if ((changed >>> mark) & 1) {
          cells[mark] = (cells[mark] ?? 0) + ((entry >>> (FIRST_MARK_BIT + mark)) & 1 ? 1 : -1);
        }
      }
    }
    if (this.#untimed > 0 && isUntimed(oldest)) this.#untimed -= 1;
    if (this.#spec.sum) this.#sumCodes += latencyCode(entry) - latencyCode(oldest);
  }

  marked(mark: number): number {
    return this.#cells[mark] ?? 0;
  }

  meanCode(): number {
    return this.timed === 0 ? 0 : this.#sumCodes / this.timed;
  }

  roll(): void {
    // a count window does not age
  }

  clear(): void {
    this.#cells.fill(0);
    this.calls = 0;
    this.unhealthy = 0;
    this.#next = 0;
    this.#sumCodes = 0;
    this.#untimed = 0;
  }

  percentiles(wanted: readonly number[]): number[] | undefined {
    if (this.timed === 0) return undefined;
    const marks = this.#spec.thresholdsMs.length;
    // the ring is filled from its start, and the order does not matter here
    const entries = this.#cells.subarray(marks, marks + this.calls);
    const codes = new Uint16Array(this.timed);
    let filled = 0;
    for (const entry of entries) if (!isUntimed(entry)) codes[filled++] = latencyCode(entry);
    codes.sort();
    return wanted.map((percentile) => {
      return unitsToMs(decodeUnits(codes[nearestRank(percentile, codes.length) - 1] ?? 0));
    });
  }
}

function isUntimed(entry: number): boolean {
  return (entry & CODE_MASK) === UNTIMED;
}

function latencyCode(entry: number): number {
  return isUntimed(entry) ? 0 : entry & CODE_MASK;
}
