import { OUTCOMES, type Outcome } from '../../classify/outcome.js';
import { invalid } from '../../errors.js';
import type { UndiciHeaders } from './headers.js';

/** The head of a response. */
export interface ResponseHead {
  readonly statusCode: number;
  /** With names in lower case. */
  readonly headers: UndiciHeaders;
}

/** Looks at the head of a response: returns its outcome, or undefined to leave it to the status. */
export type ClassifyHead = (head: ResponseHead) => Outcome | undefined;

/** The outcome by the user's function; undefined where it has none. Never throws. */
export function judgeHead(
  classify: ClassifyHead | undefined,
  head: ResponseHead,
  report: (error: unknown) => void,
): Outcome | undefined {
  if (classify === undefined) return undefined;
  try {
    const outcome = classify(head);
    if (outcome === undefined || OUTCOMES.includes(outcome)) return outcome;
    throw invalid('classifyHead', `undefined or one of ${OUTCOMES.join(', ')}`, outcome);
  } catch (error) {
    report(error);
    return undefined;
  }
}
