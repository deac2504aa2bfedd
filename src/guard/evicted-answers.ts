import { type AnswerCount, AnswerCounts } from '../telemetry/answers.js';

/** How many methods are counted separately; bounded, because a method's name may be a caller's text. */
const MOST_METHODS = 1_000;
const OTHER_METHODS = 'other';

/** How the callers of evicted circuits were answered, by method, so that the sums of a guard never fall. */
export class EvictedAnswers {
  readonly #counts = new Map<string, AnswerCounts>();

  add(method: string, answers: AnswerCounts): void {
    const name = this.#counts.has(method) || this.#counts.size < MOST_METHODS ? method : OTHER_METHODS;
    const known = this.#counts.get(name) ?? new AnswerCounts();
    this.#counts.set(name, known);
    known.addAll(answers);
  }

  report(): AnswerCount[] {
    return [...this.#counts].flatMap(([method, answers]) => [...answers.report(method, null)]);
  }
}
