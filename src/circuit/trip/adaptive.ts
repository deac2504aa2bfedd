import { checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { checkPositive } from '../option-checks.js';
import type { AdaptiveRule, BaselineSnapshot } from '../types.js';
import { CODES_PER_OCTAVE, codeToMs, encodeLatency } from '../window/latency-code.js';
import type { WindowView } from '../window/window.js';
import { ms, rate } from './rule.js';

/** Options of {@link adaptive}. */
export type AdaptiveOptions = Partial<Omit<AdaptiveRule, 'rule'>>;

const DEFAULTS: Required<AdaptiveOptions> = {
  minimumCalls: 20,
  baselineCalls: 1000,
  sigmas: 5,
  errorRateFloor: 0.1,
  minimumErrorRateRise: 0.2,
  latencyFloorMs: 20,
  minimumLatencyRatio: 2,
};

/** So many times `minimumCalls` must have been seen before the averages are trusted. */
const WARM_UP = 5;
/** The averages are never faster than this many windows, or they would follow what they are there to notice. */
const WINDOWS = 10;

/**
 * Opens when the window's error rate or typical latency is far above this circuit's own slow moving average: for models
 * whose normal nobody wants to write down. A control chart: the average, and how many standard errors away from it is
 * still noise. Each signal must also be above a floor and above a least distance, so that the noise of a healthy model
 * never fires. Latencies are compared by their logarithm (the geometric mean), which the long tail of a model's
 * latencies moves little; for the tail itself there is `latency()`. The averages need `5 * minimumCalls` calls before it may fire, and are kept when the circuit trips;
 * probes are not part of them, `reset()` forgets them.
 *
 * @param options all optional: `minimumCalls` 20, `baselineCalls` 1000, `sigmas` 5, `errorRateFloor` 0.1,
 *   `minimumErrorRateRise` 0.2, `latencyFloorMs` 20, `minimumLatencyRatio` 2
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function adaptive(options: AdaptiveOptions = {}): AdaptiveRule {
  checkKeys('adaptive', options, Object.keys(DEFAULTS));
  return parseAdaptive('adaptive', options);
}

export function parseAdaptive(field: string, options: AdaptiveOptions): AdaptiveRule {
  const all = { ...DEFAULTS };
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) Object.assign(all, { [name]: value });
  const minimumCalls = checkInteger(`${field}.minimumCalls`, all.minimumCalls, 1);
  return Object.freeze({
    rule: 'adaptive',
    minimumCalls,
    baselineCalls: checkInteger(`${field}.baselineCalls`, all.baselineCalls, WARM_UP * minimumCalls),
    sigmas: checkPositive(`${field}.sigmas`, all.sigmas),
    errorRateFloor: checkNumber(`${field}.errorRateFloor`, all.errorRateFloor, 0, 1),
    minimumErrorRateRise: checkNumber(`${field}.minimumErrorRateRise`, all.minimumErrorRateRise, 0, 1),
    latencyFloorMs: checkNumber(`${field}.latencyFloorMs`, all.latencyFloorMs, 0),
    minimumLatencyRatio: checkNumber(`${field}.minimumLatencyRatio`, all.minimumLatencyRatio, 1),
  });
}

/** One circuit's own normal: moving averages with exponentially falling weights (plain ones while they warm up). */
export class Baseline {
  #calls = 0;
  #errorRate = 0;
  /** Of the latencies' codes. */
  #mean = 0;
  #variance = 0;

  record(rule: AdaptiveRule, window: WindowView, unhealthy: boolean, durationMs: number): void {
    this.#calls += 1;
    const weight = 1 / Math.min(this.#calls, Math.max(rule.baselineCalls, WINDOWS * window.calls));
    this.#errorRate += weight * ((unhealthy ? 1 : 0) - this.#errorRate);
    // West's update of a weighted mean and variance
    const distance = encodeLatency(durationMs) - this.#mean;
    const step = weight * distance;
    this.#mean += step;
    this.#variance = (1 - weight) * (this.#variance + distance * step);
  }

  /** Why the window is out of the ordinary; undefined when it is not. */
  deviation(rule: AdaptiveRule, window: WindowView): string | undefined {
    const { calls } = window;
    if (calls < rule.minimumCalls || this.#calls < WARM_UP * rule.minimumCalls) return undefined;
    const errorRate = window.unhealthy / calls;
    if (errorRate > rule.errorRateFloor) {
      const noise = rule.sigmas * Math.sqrt((this.#errorRate * (1 - this.#errorRate)) / calls);
      if (errorRate - this.#errorRate > Math.max(rule.minimumErrorRateRise, noise)) {
        return `adaptive error rate ${rate(errorRate)} far above its average ${rate(this.#errorRate)} over ${calls} calls`;
      }
    }
    const mean = window.meanCode();
    const latencyMs = codeToMs(mean);
    if (latencyMs > rule.latencyFloorMs) {
      const noise = rule.sigmas * Math.sqrt(this.#variance / calls);
      const ratio = CODES_PER_OCTAVE * Math.log2(rule.minimumLatencyRatio);
      if (mean - this.#mean > Math.max(ratio, noise)) {
        return `adaptive latency ${ms(latencyMs)} far above its average ${ms(codeToMs(this.#mean))} over ${calls} calls`;
      }
    }
    return undefined;
  }

  snapshot(): BaselineSnapshot {
    return {
      calls: this.#calls,
      errorRate: this.#errorRate,
      latencyMs: codeToMs(this.#mean),
      latencyVariance: this.#variance / CODES_PER_OCTAVE ** 2,
    };
  }

  restore(known: BaselineSnapshot): void {
    this.#calls = known.calls;
    this.#errorRate = known.errorRate;
    this.#mean = encodeLatency(known.latencyMs);
    this.#variance = known.latencyVariance * CODES_PER_OCTAVE ** 2;
  }
}
