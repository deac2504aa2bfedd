/** Fewer answers are no evidence of the typical duration. */
const LEAST_ANSWERS = 4;
/** Only this many durations of a round are kept: a longer round is judged by its first answers. */
const MOST_KEPT = 64;
/**
 * An answer is slow if its duration exceeds the usual one by this factor and by this margin. A factor of 2 was too high: with
 * it, the queue of the first rounds hid the queue of a later round.
 */
const SLOW_FACTOR = 1.5;
const SLOW_MARGIN_MS = 10;
/** If the load fell to the first share, and the durations stayed above the second share, the load is not the reason. */
const LIGHTER_SHARE = 0.6;
const UNCHANGED_SHARE = 0.75;
/** How many such rounds in a row are proof. A single round proves little, because the load grows within a round. */
const PROOFS = 2;

/**
 * Detects that a recovering server becomes slow under its load, by comparing it with itself: the lower quartile of a round's
 * durations with the least such quartile of this recovery. A queue delays every call and so raises the lower quartile; single
 * slow requests do not. (The delay rule of HyStart, Ha and Rhee 2011, takes the minimum, which cached answers would spoil.)
 */
export class Pace {
  #usualMs = Number.POSITIVE_INFINITY;
  #round: number[] = [];
  /** The lower quartile of the last round, and its most calls in flight, if that round was slow; otherwise 0. */
  #slowRoundMs = 0;
  #slowLoad = 0;
  #proofs = 0;

  isSlow(durationMs: number): boolean {
    return durationMs > this.#usualMs * SLOW_FACTOR && durationMs > this.#usualMs + SLOW_MARGIN_MS;
  }

  add(durationMs: number): void {
    if (this.#round.length >= MOST_KEPT) return;
    this.#round.push(Number.isNaN(durationMs) ? 0 : Math.max(0, durationMs));
  }

  /** Drops the durations of this round, because the limit has changed. */
  dropRound(): void {
    this.#round = [];
  }

  /**
   * Ends a round.
   * @param load the most calls in flight during the round
   * @returns whether the server was slow in this round
   */
  endRound(load: number): boolean {
    const sorted = this.#round.sort((a, b) => a - b);
    this.#round = [];
    const typicalMs = sorted[Math.floor(sorted.length / 4)];
    if (typicalMs === undefined || sorted.length < LEAST_ANSWERS) return false;
    const lighter = load <= this.#slowLoad * LIGHTER_SHARE;
    this.#proofs = lighter && typicalMs > this.#slowRoundMs * UNCHANGED_SHARE ? this.#proofs + 1 : 0;
    if (this.#proofs >= PROOFS) this.#usualMs = typicalMs;
    const slow = this.isSlow(typicalMs);
    this.#slowRoundMs = slow ? typicalMs : 0;
    this.#slowLoad = slow ? load : 0;
    if (!slow) this.#usualMs = Math.min(this.#usualMs, typicalMs);
    return slow;
  }
}
