import { checkInteger, checkNumber, checkPositive } from '../../checks.js';
import { CODES_PER_OCTAVE, codeToMs } from '../window/latency-code.js';
import type { WindowView } from '../window/window.js';
import type { Baseline } from './baseline.js';
import { checkRule, ms, type RuleKind, rate } from './rule.js';

/** See {@link adaptive}. */
export interface AdaptiveRule {
  /** The name of the rule. */
  readonly rule: 'adaptive';
  /** With fewer calls in the window the rule never fires; the averages need five times as many calls. @default 20 */
  readonly minimumCalls: number;
  /** The number of calls over which the slow moving averages are taken. @default 1000 */
  readonly baselineCalls: number;
  /** A distance of up to this many standard errors from the average counts as noise. @default 5 */
  readonly sigmas: number;
  /** Error rates at or below this never fire: 0 to 1. @default 0.1 */
  readonly errorRateFloor: number;
  /** The least distance of the error rate from its average, as a rate. @default 0.2 */
  readonly minimumErrorRateRise: number;
  /** Typical (geometric mean) latencies at or below this never fire, in milliseconds. @default 20 */
  readonly latencyFloorMs: number;
  /** The least ratio of the typical latency to its average. @default 2 */
  readonly minimumLatencyRatio: number;
}

/** Options of {@link adaptive}. */
export type AdaptiveOptions = Partial<Omit<AdaptiveRule, 'rule'>>;

/** The averages are used only after this many times `minimumCalls` calls. */
const WARM_UP = 5;

/**
 * Opens when the window's error rate or typical latency is far above this circuit's own slow moving average. For models whose
 * normal values you do not want to write down.
 *
 * The rule is a control chart: it fires if a value is more than `sigmas` standard errors above its average. The value must also
 * exceed a floor, and its average by a least distance, so that the noise of a healthy model never fires the rule. Latencies are
 * compared by their logarithm (the geometric mean), which the long tail of a model's latencies moves little; for the tail itself
 * there is `latencyPercentile()`. The averages need `5 * minimumCalls` calls before the rule may fire. They stay when the circuit
 * opens, do not include probes, and start anew with `reset()`.
 *
 * @param options all optional: see {@link AdaptiveRule} for the defaults
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function adaptive(options: AdaptiveOptions = {}): AdaptiveRule {
  return checkRule(adaptiveRule, 'adaptive', options);
}

export const adaptiveRule: RuleKind<AdaptiveRule> = {
  name: 'adaptive',
  keys: [
    'minimumCalls',
    'baselineCalls',
    'sigmas',
    'errorRateFloor',
    'minimumErrorRateRise',
    'latencyFloorMs',
    'minimumLatencyRatio',
  ],
  check: (field, options) => {
    const { minimumCalls: minimum = 20, baselineCalls = 1000, sigmas = 5 } = options;
    const minimumCalls = checkInteger(`${field}.minimumCalls`, minimum, 1);
    const number = (name: keyof typeof options, fallback: number, min: number, max?: number) =>
      checkNumber(`${field}.${name}`, options[name] === undefined ? fallback : options[name], min, max);
    return {
      rule: 'adaptive',
      minimumCalls,
      baselineCalls: checkInteger(`${field}.baselineCalls`, baselineCalls, WARM_UP * minimumCalls),
      sigmas: checkPositive(`${field}.sigmas`, sigmas),
      errorRateFloor: number('errorRateFloor', 0.1, 0, 1),
      minimumErrorRateRise: number('minimumErrorRateRise', 0.2, 0, 1),
      latencyFloorMs: number('latencyFloorMs', 20, 0),
      minimumLatencyRatio: number('minimumLatencyRatio', 2, 1),
    };
  },
  compile: (rule) => ({
    fires: ({ window, baseline }) =>
      baseline !== undefined && deviation(rule, baseline, window) !== undefined,
    reason: ({ window, baseline }) => (baseline && deviation(rule, baseline, window)) ?? 'adaptive',
  }),
};

/** Why the rule fires; undefined if it does not. */
export function deviation(rule: AdaptiveRule, baseline: Baseline, window: WindowView): string | undefined {
  const { calls } = window;
  if (calls < rule.minimumCalls || baseline.calls < WARM_UP * rule.minimumCalls) return undefined;
  const errorRate = window.unhealthy / calls;
  if (errorRate > rule.errorRateFloor) {
    const noise = rule.sigmas * Math.sqrt((baseline.errorRate * (1 - baseline.errorRate)) / calls);
    if (errorRate - baseline.errorRate > Math.max(rule.minimumErrorRateRise, noise)) {
      return `adaptive error rate ${rate(errorRate)} far above its average ${rate(baseline.errorRate)} over ${calls} calls`;
    }
  }
  const { timed } = window;
  if (timed < rule.minimumCalls) return undefined;
  const mean = window.meanCode();
  const latencyMs = codeToMs(mean);
  if (latencyMs > rule.latencyFloorMs) {
    const noise = rule.sigmas * Math.sqrt(baseline.variance / timed);
    const ratio = CODES_PER_OCTAVE * Math.log2(rule.minimumLatencyRatio);
    if (mean - baseline.meanCode > Math.max(ratio, noise)) {
      return `adaptive latency ${ms(latencyMs)} far above its average ${ms(codeToMs(baseline.meanCode))} over ${timed} calls`;
    }
  }
  return undefined;
}
