/** The number of events in the last `durationMs`, in buckets. Each use drops the old buckets, so there is no timer. */
export class RollingCount {
  readonly #cells: Float64Array;
  readonly #bucketMs: number;
  #slot: number;
  #total = 0;

  constructor(durationMs: number, buckets: number, nowMs: number) {
    this.#cells = new Float64Array(buckets);
    this.#bucketMs = durationMs / buckets;
    this.#slot = Math.floor(nowMs / this.#bucketMs);
  }

  add(nowMs: number): void {
    this.#roll(nowMs);
    this.#total += 1;
    const cell = this.#slot % this.#cells.length;
    this.#cells[cell] = (this.#cells[cell] ?? 0) + 1;
  }

  at(nowMs: number): number {
    this.#roll(nowMs);
    return this.#total;
  }

  clear(): void {
    this.#cells.fill(0);
    this.#total = 0;
  }

  #roll(nowMs: number): void {
    const buckets = this.#cells.length;
    const slot = Math.floor(nowMs / this.#bucketMs);
    const steps = slot - this.#slot;
    if (steps <= 0) return;
    if (steps >= buckets) this.clear();
    else {
      for (let step = 1; step <= steps; step++) {
        const cell = (this.#slot + step) % buckets;
        this.#total -= this.#cells[cell] ?? 0;
        this.#cells[cell] = 0;
      }
    }
    this.#slot = slot;
  }
}
