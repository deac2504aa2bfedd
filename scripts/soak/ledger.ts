/** The most failures that are kept word for word; the others are counted. */
const LONGEST_LIST = 20;

/** What a soak counted, and what went wrong. All parts of the soak write to the same ledger. */
export class Ledger {
  readonly #counts = new Map<string, number>();
  readonly #failures: string[] = [];
  readonly #leftOut: string[] = [];
  #failed = 0;

  /** Adds to a count. */
  add(name: string, by = 1): void {
    this.#counts.set(name, this.of(name) + by);
  }

  /** The count under a name; 0 before the first `add`. */
  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Counts whose names begin with `prefix`, without it; the largest first. */
  under(prefix: string): [name: string, count: number][] {
    return [...this.#counts]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, count]): [string, number] => [name.slice(prefix.length), count])
      .sort(([, a], [, b]) => b - a);
  }

  /** Writes down something that must not happen: the soak ends with exit code 1. */
  fail(text: string): void {
    this.#failed++;
    if (this.#failures.length < LONGEST_LIST) this.#failures.push(text);
  }

  /** Writes down a fault that this machine does not allow. */
  leaveOut(text: string): void {
    this.#leftOut.push(text);
  }

  /** The first failures, and how many more there were. */
  get failures(): readonly string[] {
    const more = this.#failed - this.#failures.length;
    return more > 0 ? [...this.#failures, `and ${more} more`] : this.#failures;
  }

  get leftOut(): readonly string[] {
    return this.#leftOut;
  }
}
