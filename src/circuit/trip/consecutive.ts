import { checkInteger, checkKeys } from '../../checks.js';
import type { RuleNamed, TripCheck } from './rule.js';

export type ConsecutiveRule = RuleNamed<'consecutive'>;

/**
 * Opens after `failures` failures with no healthy outcome between them. An overload neither adds nor resets.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `failures` is an integer of at least 1
 */
export function consecutive(options: { readonly failures: number }): ConsecutiveRule {
  checkKeys('consecutive', options, ['failures']);
  return parseConsecutive('consecutive', options);
}

export function parseConsecutive(field: string, options: { readonly failures: number }): ConsecutiveRule {
  return Object.freeze({
    rule: 'consecutive',
    failures: checkInteger(`${field}.failures`, options.failures, 1),
  });
}

export function compileConsecutive(rule: ConsecutiveRule): TripCheck {
  const { failures } = rule;
  return {
    fires: (_window, consecutiveFailures) => consecutiveFailures >= failures,
    reason: (_window, consecutiveFailures) => `consecutive failures ${consecutiveFailures} >= ${failures}`,
  };
}
