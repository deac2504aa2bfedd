import { checkInteger, checkPositive, checkShare } from '../../checks.js';
import { checkRule, type RuleKind, rate } from './rule.js';

/** See {@link slowRate}. */
export interface SlowRateRule {
  /** The name of the rule. */
  readonly rule: 'slow-rate';
  /** The share of slow calls that opens the circuit: above 0, up to 1. */
  readonly threshold: number;
  /** A call that took longer than this is slow, in milliseconds. */
  readonly slowThresholdMs: number;
  /** With fewer calls in the window the rule never fires. */
  readonly minimumCalls: number;
}

/**
 * Opens when the share of slow calls, those that took longer than `slowThresholdMs`, is `threshold` or more. All outcomes count
 * except `ignored`. A probe that is slow by this rule fails.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function slowRate(options: Omit<SlowRateRule, 'rule'>): SlowRateRule {
  return checkRule(slowRateRule, 'slowRate', options);
}

export const slowRateRule: RuleKind<SlowRateRule> = {
  name: 'slow-rate',
  keys: ['threshold', 'slowThresholdMs', 'minimumCalls'],
  check: (field, { threshold, slowThresholdMs, minimumCalls }) => ({
    rule: 'slow-rate',
    threshold: checkShare(`${field}.threshold`, threshold),
    slowThresholdMs: checkPositive(`${field}.slowThresholdMs`, slowThresholdMs),
    minimumCalls: checkInteger(`${field}.minimumCalls`, minimumCalls, 1),
  }),
  slowMs: ({ slowThresholdMs }) => slowThresholdMs,
  compile: ({ threshold, minimumCalls, slowThresholdMs }, markOf) => {
    const slow = markOf(slowThresholdMs);
    return {
      fires: ({ window }) => window.timed >= minimumCalls && window.marked(slow) / window.timed >= threshold,
      reason: ({ window }) =>
        `slow-rate ${rate(window.marked(slow) / window.timed)} >= ${rate(threshold)} over ${window.timed} calls`,
    };
  },
};
