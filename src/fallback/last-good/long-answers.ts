/** The most circuits that are remembered; the circuit that was added first is forgotten first. */
const MOST_CIRCUITS = 1_000;
/** The most answers in a row that are dropped without being encoded: a model's answers may become shorter. */
const MOST_SKIPPED = 64;

interface Streak {
  inRow: number;
  toSkip: number;
}

/**
 * Remembers circuits whose answers are too long again and again, so that few of these answers are encoded. Messages that do not
 * show their length (instances of classes, as google-protobuf makes them) need it: otherwise each answer would be encoded, which
 * blocks the event loop, and then dropped.
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

  /** Notes that an answer was encoded and was too long. After the second in a row, some are skipped. */
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

  /** Notes that an answer was encoded and was short enough. */
  wasShort(circuitKey: string): void {
    if (this.#any) this.#streaks.delete(circuitKey);
  }
}
