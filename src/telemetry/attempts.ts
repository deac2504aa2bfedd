import { cut } from '../text.js';

/** How often a strategy of a method's chain was asked and did not answer. */
export interface AttemptCount {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The name of the strategy. */
  readonly strategy: string;
  /** Why it did not answer: `declined`, `failed`, `timed-out`, `disabled`, `capped` or `stopped`. */
  readonly result: string;
  /** Never falls. */
  readonly count: number;
}

/** Further combinations of method, strategy and result are counted by the result alone, with method and strategy `other`. */
const MOST_COUNTED = 10_000;
const LONGEST_NAME = 128;

interface Counter {
  readonly method: string;
  readonly strategy: string;
  readonly result: string;
  count: number;
}

/** Counts the attempts of a guard's fallbacks that gave no answer. */
export class AttemptCounts {
  readonly #counters = new Map<string, Counter>();

  add(method: string, attempts: readonly { readonly strategy: string; readonly result: string }[]): void {
    for (const { strategy, result } of attempts) this.#counter(method, strategy, result).count += 1;
  }

  #counter(method: string, strategy: string, result: string): Counter {
    const key = `${method} ${result} ${strategy}`;
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      if (this.#counters.size >= MOST_COUNTED) return this.#other(result);
      counter = { method, strategy: cut(strategy, LONGEST_NAME), result, count: 0 };
      this.#counters.set(key, counter);
    }
    return counter;
  }

  #other(result: string): Counter {
    const key = ` ${result}`;
    const known = this.#counters.get(key);
    if (known !== undefined) return known;
    const counter = { method: 'other', strategy: 'other', result, count: 0 };
    this.#counters.set(key, counter);
    return counter;
  }

  report(): AttemptCount[] {
    return Array.from(this.#counters.values(), (counter) => ({ ...counter }));
  }
}
