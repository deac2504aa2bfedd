import { type AnswerCount, AnswerCounts } from '../telemetry/answers.js';

/** So many methods are counted apart: a method's name may be a caller's text. */
const MOST_METHODS = 1_000;
const OTHER_METHODS = 'other';

/** How the callers of circuits that were evicted were answered, by method: the sums of a guard do not fall. */
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
