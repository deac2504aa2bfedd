import { checkInteger } from '../../checks.js';
import { checkRule, type RuleKind } from './rule.js';

/** See {@link consecutiveFailures}. */
export interface ConsecutiveFailuresRule {
  /** The name of the rule. */
  readonly rule: 'consecutive-failures';
  /** How many failures in a row open the circuit. */
  readonly failures: number;
}

/**
 * Opens after `failures` failures in a row: with no healthy outcome between them, nor since the first of these calls began. An
 * overload neither adds nor resets. A call that times out while calls after it are answered is none of a row.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `failures` is an integer of at least 1
 */
export function consecutiveFailures(options: Omit<ConsecutiveFailuresRule, 'rule'>): ConsecutiveFailuresRule {
  return checkRule(consecutiveFailuresRule, 'consecutiveFailures', options);
}

export const consecutiveFailuresRule: RuleKind<ConsecutiveFailuresRule> = {
  name: 'consecutive-failures',
  keys: ['failures'],
  check: (field, { failures }) => ({
    rule: 'consecutive-failures',
    failures: checkInteger(`${field}.failures`, failures, 1),
  }),
  compile: ({ failures }) => ({
    fires: (evidence) => evidence.consecutiveFailures >= failures,
    reason: (evidence) => `consecutive-failures ${evidence.consecutiveFailures} >= ${failures}`,
  }),
};
