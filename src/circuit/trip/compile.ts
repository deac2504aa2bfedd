import { checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import type { TripRule } from '../types.js';
import { parseAdaptive } from './adaptive.js';
import { compileConsecutiveFailures, parseConsecutiveFailures } from './consecutive-failures.js';
import { compileFailureRate, parseFailureRate } from './failure-rate.js';
import { compileLatencyPercentile, parseLatencyPercentile } from './latency-percentile.js';
import type { MarkOf, TripCheck } from './rule.js';
import { compileSlowRate, parseSlowRate } from './slow-rate.js';

const OPTIONS: Readonly<Record<TripRule['rule'], readonly string[]>> = {
  'consecutive-failures': ['failures'],
  'failure-rate': ['threshold', 'minimumCalls'],
  'slow-rate': ['threshold', 'slowThresholdMs', 'minimumCalls'],
  'latency-percentile': ['percentile', 'thresholdMs', 'minimumCalls'],
  adaptive: [
    'minimumCalls',
    'baselineCalls',
    'sigmas',
    'errorRateFloor',
    'minimumErrorRateRise',
    'latencyFloorMs',
    'minimumLatencyRatio',
  ],
};

/** Checks a rule, whether a rule maker or a hand wrote it, and copies it. */
export function parseRule(field: string, value: TripRule): TripRule {
  const known = Object.keys(OPTIONS);
  if (typeof value !== 'object' || value === null || !known.includes(value.rule)) {
    throw invalid(field, `a trip rule: ${known.join(', ')}`, value);
  }
  checkKeys(field, value, ['rule', ...OPTIONS[value.rule]]);
  switch (value.rule) {
    case 'consecutive-failures':
      return parseConsecutiveFailures(field, value);
    case 'failure-rate':
      return parseFailureRate(field, value);
    case 'slow-rate':
      return parseSlowRate(field, value);
    case 'latency-percentile':
      return parseLatencyPercentile(field, value);
    case 'adaptive': {
      const { rule: _, ...options } = value;
      return parseAdaptive(field, options);
    }
  }
}

/** The distinct duration thresholds of the rules: what a window has to mark. */
export function thresholdsOf(rules: readonly TripRule[]): number[] {
  const thresholds = new Set<number>();
  for (const rule of rules) {
    if (rule.rule === 'slow-rate') thresholds.add(rule.slowThresholdMs);
    if (rule.rule === 'latency-percentile') thresholds.add(rule.thresholdMs);
  }
  return [...thresholds];
}

/** The rules that look only at the window and the consecutive failures; the adaptive one has a state per circuit. */
export function compileRules(rules: readonly TripRule[], markOf: MarkOf): TripCheck[] {
  const checks: TripCheck[] = [];
  for (const rule of rules) {
    if (rule.rule === 'consecutive-failures') checks.push(compileConsecutiveFailures(rule));
    if (rule.rule === 'failure-rate') checks.push(compileFailureRate(rule));
    if (rule.rule === 'slow-rate') checks.push(compileSlowRate(rule, markOf));
    if (rule.rule === 'latency-percentile') checks.push(compileLatencyPercentile(rule, markOf));
  }
  return checks;
}
