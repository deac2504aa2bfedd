import { checkInteger, checkPositive } from '../../checks.js';
import { invalid } from '../../errors.js';
import { nearestRank } from '../window/nearest-rank.js';
import { checkRule, ms, type RuleKind } from './rule.js';

/** See {@link latencyPercentile}. */
export interface LatencyPercentileRule {
  /** The name of the rule. */
  readonly rule: 'latency-percentile';
  /** From 1 to below 100: 99, not 0.99. */
  readonly percentile: number;
  /** The longest that this percentile of the calls may take, in milliseconds. */
  readonly thresholdMs: number;
  /** With fewer calls in the window the rule never fires. */
  readonly minimumCalls: number;
}

/**
 * Opens when the given percentile (nearest rank) of the window's latencies is over `thresholdMs`: an objective such
 * as "99 % of the calls within 300 ms", which a model that is slow but never fails still breaks. A probe that takes longer
 * than `thresholdMs` fails.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function latencyPercentile(options: Omit<LatencyPercentileRule, 'rule'>): LatencyPercentileRule {
  return checkRule(latencyPercentileRule, 'latencyPercentile', options);
}

export const latencyPercentileRule: RuleKind<LatencyPercentileRule> = {
  name: 'latency-percentile',
  keys: ['percentile', 'thresholdMs', 'minimumCalls'],
  check: (field, { percentile, thresholdMs, minimumCalls }) => {
    if (typeof percentile !== 'number' || !(percentile >= 1 && percentile < 100)) {
      throw invalid(`${field}.percentile`, 'a number from 1 to below 100 (99, not 0.99)', percentile);
    }
    return {
      rule: 'latency-percentile',
      percentile,
      thresholdMs: checkPositive(`${field}.thresholdMs`, thresholdMs),
      minimumCalls: checkInteger(`${field}.minimumCalls`, minimumCalls, 1),
    };
  },
  slowMs: ({ thresholdMs }) => thresholdMs,
  // The percentile is over the threshold exactly when the value at its rank is, that is, when the calls over the
  // threshold reach down to that rank: counting them is exact, and no latency has to be kept.
  compile: ({ percentile, thresholdMs, minimumCalls }, markOf) => {
    const over = markOf(thresholdMs);
    return {
      fires: ({ window }) =>
        window.timed >= minimumCalls &&
        window.marked(over) > window.timed - nearestRank(percentile, window.timed),
      reason: ({ window }) =>
        `latency-percentile p${percentile} over ${ms(thresholdMs)}: ` +
        `${window.marked(over)} of ${window.timed} calls took longer`,
    };
  },
};
