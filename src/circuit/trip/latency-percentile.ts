import { checkInteger, checkPositive } from '../../checks.js';
import { invalid } from '../../errors.js';
import { nearestRank } from '../window/nearest-rank.js';
import { checkRule, ms, type RuleKind } from './rule.js';

/** See {@link latencyPercentile}. */
export interface LatencyPercentileRule {
  /** The name of the rule. */
  readonly rule: 'latency-percentile';
  /** The percentile, from 1 to below 100: 99, not 0.99. */
  readonly percentile: number;
  /** The circuit opens if this percentile of the latencies is longer, in milliseconds. */
  readonly thresholdMs: number;
  /** With fewer calls in the window the rule never fires. */
  readonly minimumCalls: number;
}

/**
 * Opens when the given percentile (nearest rank) of the window's latencies is over `thresholdMs`. This is an objective such as
 * "99 % of the calls within 300 ms", which a model that is slow but never fails also misses. A probe that takes longer than
 * `thresholdMs` fails.
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
  // The percentile is the value at its rank. That value is over the threshold exactly if there are more calls over the threshold
  // than ranks above it. So a count of these calls is enough, and no latency has to be kept.
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
