import { OUTCOMES, type Outcome } from '../../classify/outcome.js';
import { invalid } from '../../errors.js';
import type { UndiciHeaders } from './headers.js';

/** The head of a response. */
export interface ResponseHead {
  readonly statusCode: number;
  /** The headers, with names in lower case. */
  readonly headers: UndiciHeaders;
}

/** Returns the outcome of a response by its head, or undefined where the status is to decide. */
export type ClassifyHead = (head: ResponseHead) => Outcome | undefined;

/** The outcome that the user's function gives; undefined where it gives none. Never throws. */
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
