import { checkInteger, checkKeys } from '../../checks.js';
import { checkShare } from '../option-checks.js';
import { type RuleNamed, rate, type TripCheck } from './rule.js';

export type FailureRateRule = RuleNamed<'failure-rate'>;

/**
 * Opens when the share of failures and overloads among the window's calls is `threshold` or more.
 * @param options `threshold`: above 0, up to 1; `minimumCalls`: with fewer calls in the window it never fires
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function failureRate(options: {
  readonly threshold: number;
  readonly minimumCalls: number;
}): FailureRateRule {
  checkKeys('failureRate', options, ['threshold', 'minimumCalls']);
  return parseFailureRate('failureRate', options);
}

export function parseFailureRate(
  field: string,
  options: { readonly threshold: number; readonly minimumCalls: number },
): FailureRateRule {
  return Object.freeze({
    rule: 'failure-rate',
    threshold: checkShare(`${field}.threshold`, options.threshold),
    minimumCalls: checkInteger(`${field}.minimumCalls`, options.minimumCalls, 1),
  });
}

export function compileFailureRate(rule: FailureRateRule): TripCheck {
  const { threshold, minimumCalls } = rule;
  return {
    // a quotient: 0.07 * 100 is more than 7 in floating point, 7 / 100 is 0.07
    fires: (window) => window.calls >= minimumCalls && window.unhealthy / window.calls >= threshold,
    reason: (window) =>
      `failure-rate ${rate(window.unhealthy / window.calls)} >= ${rate(threshold)} over ${window.calls} calls`,
  };
}
