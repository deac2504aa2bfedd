import { checkInteger, checkKeys } from '../../checks.js';
import { checkPositive, checkShare } from '../option-checks.js';
import { type MarkOf, type RuleNamed, rate, type TripCheck } from './rule.js';

export type SlowRateRule = RuleNamed<'slow-rate'>;

interface Options {
  readonly threshold: number;
  readonly slowThresholdMs: number;
  readonly minimumCalls: number;
}

/**
 * Opens when the share of calls, whatever their outcome, that took longer than `slowThresholdMs` is `threshold` or
 * more. Ignored calls are not counted.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function slowRate(options: Options): SlowRateRule {
  checkKeys('slowRate', options, ['threshold', 'slowThresholdMs', 'minimumCalls']);
  return parseSlowRate('slowRate', options);
}

export function parseSlowRate(field: string, options: Options): SlowRateRule {
  return Object.freeze({
    rule: 'slow-rate',
    threshold: checkShare(`${field}.threshold`, options.threshold),
    slowThresholdMs: checkPositive(`${field}.slowThresholdMs`, options.slowThresholdMs),
    minimumCalls: checkInteger(`${field}.minimumCalls`, options.minimumCalls, 1),
  });
}

export function compileSlowRate(rule: SlowRateRule, markOf: MarkOf): TripCheck {
  const { threshold, minimumCalls } = rule;
  const slow = markOf(rule.slowThresholdMs);
  return {
    fires: (window) => window.calls >= minimumCalls && window.marked(slow) / window.calls >= threshold,
    reason: (window) =>
      `slow-rate ${rate(window.marked(slow) / window.calls)} >= ${rate(threshold)} over ${window.calls} calls`,
  };
}
