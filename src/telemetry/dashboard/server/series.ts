import type { Sample } from '../view/protocol.js';

/** Most sources of a circuit with counts of their own. The answers of all other sources count as `other`. */
const MOST_SOURCES = 8;
const OTHER = 'other';

/**
 * The last steps of a circuit, in typed arrays: 20 bytes a step, and 4 more for each source that has answered. The feed gives the
 * positions in the ring, which are the same for all circuits.
 */
export class Series {
  readonly #steps: number;
  readonly #calls: Float32Array;
  readonly #rejected: Float32Array;
  readonly #failureRate: Float32Array;
  readonly #p50: Float32Array;
  readonly #p99: Float32Array;
  readonly #answers = new Map<string, Float32Array>();
  #length = 0;

  constructor(steps: number) {
    this.#steps = steps;
    this.#calls = new Float32Array(steps);
    this.#rejected = new Float32Array(steps);
    this.#failureRate = new Float32Array(steps);
    this.#p50 = new Float32Array(steps);
    this.#p99 = new Float32Array(steps);
  }

  /** @param position the position of the step in the ring */
  add(position: number, { calls, rejected, failureRate, p50, p99, answers }: Sample): void {
    this.#calls[position] = calls;
    this.#rejected[position] = rejected;
    this.#failureRate[position] = failureRate;
    this.#p50[position] = p50 ?? Number.NaN;
    this.#p99[position] = p99 ?? Number.NaN;
    for (const column of this.#answers.values()) column[position] = 0;
    for (const source in answers) this.#addAnswers(position, source, answers[source] ?? 0);
    this.#length = Math.min(this.#length + 1, this.#steps);
  }

  #addAnswers(position: number, source: string, count: number): void {
    if (count === 0) return;
    const isNew = !this.#answers.has(source);
    const name = isNew && this.#answers.size >= MOST_SOURCES ? OTHER : source;
    const column = this.#answers.get(name) ?? new Float32Array(this.#steps);
    column[position] = (column[position] ?? 0) + count;
    this.#answers.set(name, column);
  }

  /** @param last the position of the newest step */
  samples(last: number): Sample[] {
    const samples: Sample[] = [];
    for (let back = this.#length - 1; back >= 0; back--) {
      samples.push(this.#at((last - back + this.#steps) % this.#steps));
    }
    return samples;
  }

  #at(position: number): Sample {
    const answers: Record<string, number> = {};
    for (const [source, column] of this.#answers) {
      const count = column[position] ?? 0;
      if (count > 0) Object.defineProperty(answers, source, { value: count, enumerable: true });
    }
    return {
      calls: this.#calls[position] ?? 0,
      rejected: this.#rejected[position] ?? 0,
      failureRate: rounded(this.#failureRate[position] ?? 0, 10_000),
      p50: orNull(this.#p50[position]),
      p99: orNull(this.#p99[position]),
      answers,
    };
  }
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : rounded(value, 10);
}

export function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts;
}
