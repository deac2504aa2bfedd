import { checkInteger, checkKeys } from '../../checks.js';
import type { RuleNamed, TripCheck } from './rule.js';

export type ConsecutiveFailuresRule = RuleNamed<'consecutive-failures'>;

/**
 * Opens after `failures` failures with no healthy outcome between them. An overload neither adds nor resets.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `failures` is an integer of at least 1
 */
export function consecutiveFailures(options: { readonly failures: number }): ConsecutiveFailuresRule {
  checkKeys('consecutiveFailures', options, ['failures']);
  return parseConsecutiveFailures('consecutiveFailures', options);
}

export function parseConsecutiveFailures(
  field: string,
  options: { readonly failures: number },
): ConsecutiveFailuresRule {
  return Object.freeze({
    rule: 'consecutive-failures',
    failures: checkInteger(`${field}.failures`, options.failures, 1),
  });
}

export function compileConsecutiveFailures(rule: ConsecutiveFailuresRule): TripCheck {
  const { failures } = rule;
  return {
    fires: (_window, consecutiveFailures) => consecutiveFailures >= failures,
    reason: (_window, consecutiveFailures) => `consecutive failures ${consecutiveFailures} >= ${failures}`,
  };
}
