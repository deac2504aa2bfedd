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
 * Opens after `failures` failures in a row, without a healthy outcome between them. An overload neither adds nor resets. A failure
 * does not add if a healthy answer has come since its call began: a call that times out while later calls are answered does not
 * count.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `failures` is an integer of at least 1
 */
export function consecutiveFailures(options: Omit<ConsecutiveFailuresRule, 'rule'>): ConsecutiveFailuresRule {
  return checkRule(consecutiveFailuresRule, 'consecutiveFailures', options);
}

export const consecutiveFailuresRule: RuleKind<ConsecutiveFailuresRule> = {
  name: 'consecutive-failures',
  keys: ['failures'],
  needsFailures: true,
  check: (field, { failures }) => ({
    rule: 'consecutive-failures',
    failures: checkInteger(`${field}.failures`, failures, 1),
  }),
  compile: ({ failures }) => ({
    fires: (evidence) => evidence.consecutiveFailures >= failures,
    reason: (evidence) => `consecutive-failures ${evidence.consecutiveFailures} >= ${failures}`,
  }),
};
