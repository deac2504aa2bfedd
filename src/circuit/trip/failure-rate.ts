import { checkInteger, checkShare } from '../../checks.js';
import { checkRule, type RuleKind, rate } from './rule.js';

/** See {@link failureRate}. */
export interface FailureRateRule {
  /** The name of the rule. */
  readonly rule: 'failure-rate';
  /** The share of failures and overloads that opens the circuit: above 0, up to 1. */
  readonly threshold: number;
  /** With fewer calls in the window the rule never fires. */
  readonly minimumCalls: number;
}

/**
 * Opens when the share of failures and overloads among the window's calls is `threshold` or more.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function failureRate(options: Omit<FailureRateRule, 'rule'>): FailureRateRule {
  return checkRule(failureRateRule, 'failureRate', options);
}

export const failureRateRule: RuleKind<FailureRateRule> = {
  name: 'failure-rate',
  keys: ['threshold', 'minimumCalls'],
  needsFailures: true,
  check: (field, { threshold, minimumCalls }) => ({
    rule: 'failure-rate',
    threshold: checkShare(`${field}.threshold`, threshold),
    minimumCalls: checkInteger(`${field}.minimumCalls`, minimumCalls, 1),
  }),
  compile: ({ threshold, minimumCalls }) => ({
    // a quotient: 0.07 * 100 is more than 7 in floating point, 7 / 100 is 0.07
    fires: ({ window }) => window.calls >= minimumCalls && window.unhealthy / window.calls >= threshold,
    reason: ({ window }) =>
      `failure-rate ${rate(window.unhealthy / window.calls)} >= ${rate(threshold)} over ${window.calls} calls`,
  }),
};
