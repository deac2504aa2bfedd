import { checkInteger, checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import { checkPositive } from '../option-checks.js';
import { type MarkOf, ms, type RuleNamed, type TripCheck } from './rule.js';

export type LatencyPercentileRule = RuleNamed<'latency-percentile'>;

interface Options {
  readonly percentile: number;
  readonly thresholdMs: number;
  readonly minimumCalls: number;
}

/**
 * Opens when the given percentile (nearest rank) of the window's latencies is over `thresholdMs`: an objective such
 * as "99 % of the calls within 300 ms", which a model that is slow but never fails still breaks.
 * @param options `percentile`: from 1 to below 100: 99, not 0.99
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function latencyPercentile(options: Options): LatencyPercentileRule {
  checkKeys('latencyPercentile', options, ['percentile', 'thresholdMs', 'minimumCalls']);
  return parseLatencyPercentile('latencyPercentile', options);
}

export function parseLatencyPercentile(field: string, options: Options): LatencyPercentileRule {
  const { percentile } = options;
  if (typeof percentile !== 'number' || !(percentile >= 1 && percentile < 100)) {
    throw invalid(`${field}.percentile`, 'a number from 1 to below 100 (99, not 0.99)', percentile);
  }
  return Object.freeze({
    rule: 'latency-percentile',
    percentile,
    thresholdMs: checkPositive(`${field}.thresholdMs`, options.thresholdMs),
    minimumCalls: checkInteger(`${field}.minimumCalls`, options.minimumCalls, 1),
  });
}

/**
 * The rank, from 1, of the nearest-rank percentile of `calls` values.
 */
export function nearestRank(percentile: number, calls: number): number {
  // 99.9 % of 1000 is 999, not the 999.0000000000001 that floating point makes of it
  return Math.max(1, Math.ceil((percentile * calls) / 100 - 1e-9));
}

/**
 * The percentile is over the threshold exactly when the value at its rank is, that is, when the calls over the
 * threshold reach down to that rank: counting them is exact, and no latency has to be kept.
 */
export function compileLatencyPercentile(rule: LatencyPercentileRule, markOf: MarkOf): TripCheck {
  const { percentile, thresholdMs, minimumCalls } = rule;
  const over = markOf(thresholdMs);
  return {
    fires: (window) =>
      window.calls >= minimumCalls &&
      window.marked(over) > window.calls - nearestRank(percentile, window.calls),
    reason: (window) =>
      `latency p${percentile} over ${ms(thresholdMs)}: ${window.marked(over)} of ${window.calls} calls took longer`,
  };
}
