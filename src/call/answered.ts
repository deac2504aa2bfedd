import { status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Cause } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';

// Each guarded call ends in one of these functions, but for a call that its caller cancels.

/** The caller gets the primary's own answer or error. */
export function answeredByPrimary(entry: Entry, outcome: Outcome, code: status): void {
  if (code === status.OK) entry.answers.primary += 1;
  else if (outcome !== 'ignored' || code !== status.CANCELLED)
    entry.answers.unanswered(isUnhealthy(outcome) ? 'failed' : null);
}

/** The caller gets a fallback's answer. */
export function answeredByFallback(entry: Entry, source: string, cause: Cause['kind']): void {
  entry.answers.answered(source, cause);
}

/** The caller gets an error, because no fallback answered. */
export function notAnswered(entry: Entry, cause: Cause['kind']): void {
  entry.answers.unanswered(cause);
}
