/** So many circuits are remembered; the circuit whose answers were too long first is forgotten first. */
const MOST_CIRCUITS = 1_000;
/** At least one answer of so many is encoded: a model's answers may become shorter. */
const MOST_SKIPPED = 64;

interface Streak {
  inRow: number;
  toSkip: number;
}

/**
 * The circuits whose answers were too long, again and again, and which are now encoded seldom. It is for messages that do not show their
 * length (instances of classes, as google-protobuf makes them): otherwise each of their answers would be encoded, which blocks
 * the event loop, and then dropped.
 */
export class LongAnswers {
  readonly #streaks = new Map<string, Streak>();
  #any = false;

  /** Whether an answer was ever too long. */
  get any(): boolean {
    return this.#any;
  }

  /** Whether to drop the next answer of a circuit without encoding it. */
  skips(circuitKey: string): boolean {
    const streak = this.#streaks.get(circuitKey);
    if (streak === undefined || streak.toSkip === 0) return false;
    streak.toSkip -= 1;
    return true;
  }

  /** An answer was encoded, and was too long. After the second in a row, some are skipped. */
  wasLong(circuitKey: string): void {
    this.#any = true;
    const { inRow } = this.#streaks.get(circuitKey) ?? { inRow: 0 };
    if (inRow === 0 && this.#streaks.size >= MOST_CIRCUITS) {
      const [oldest] = this.#streaks.keys();
      if (oldest !== undefined) this.#streaks.delete(oldest);
    }
    this.#streaks.set(circuitKey, {
      inRow: inRow + 1,
      toSkip: inRow === 0 ? 0 : Math.min(MOST_SKIPPED, 2 ** inRow),
    });
  }

  /** An answer was encoded, and was short enough. */
  wasShort(circuitKey: string): void {
    if (this.#any) this.#streaks.delete(circuitKey);
  }
}
