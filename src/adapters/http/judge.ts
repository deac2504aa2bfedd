import { isUnhealthy, OUTCOMES, type Outcome } from '../../classify/outcome.js';
import { invalid } from '../../errors.js';

/**
 * Checks the outcome that a user's function gave; undefined where the status is to decide.
 * @param source the name of the function
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function checkOutcome(source: string, outcome: Outcome | undefined): Outcome | undefined {
  if (outcome === undefined || OUTCOMES.includes(outcome)) return outcome;
  throw invalid(source, `undefined or one of ${OUTCOMES.join(', ')}`, outcome);
}

/** Whether a response counts as a failure of its request. */
export function isBad(httpStatus: number, judged: Outcome | undefined): boolean {
  return httpStatus >= 400 || (judged !== undefined && isUnhealthy(judged));
}
