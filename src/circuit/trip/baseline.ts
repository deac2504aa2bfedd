import { CODES_PER_OCTAVE, codeToMs, encodeLatency } from '../window/latency-code.js';

/** The moving averages of the adaptive rule, as a snapshot shows them. */
export interface BaselineSnapshot {
  /** How many calls the averages have seen. */
  readonly calls: number;
  /** From 0 to 1. */
  readonly errorRate: number;
  /** The geometric mean, in milliseconds. */
  readonly latencyMs: number;
  /** The variance of the latency's base-2 logarithm. */
  readonly latencyVariance: number;
}

/** The averages are never faster than this many windows, or they would follow what they are there to notice. */
const WINDOWS = 10;

/** One circuit's own normal: moving averages with exponentially falling weights (plain ones while they warm up). */
export class Baseline {
  calls = 0;
  errorRate = 0;
  /** Of the latencies' codes. */
  meanCode = 0;
  /** Of the latencies' codes. */
  variance = 0;

  /**
   * @param baselineCalls over how many calls the averages are taken
   * @param windowCalls how many calls the window holds
   */
  record(baselineCalls: number, windowCalls: number, unhealthy: boolean, durationMs: number): void {
    this.calls += 1;
    const weight = 1 / Math.min(this.calls, Math.max(baselineCalls, WINDOWS * windowCalls));
    this.errorRate += weight * ((unhealthy ? 1 : 0) - this.errorRate);
    // West's update of a weighted mean and variance
    const distance = encodeLatency(durationMs) - this.meanCode;
    const step = weight * distance;
    this.meanCode += step;
    this.variance = (1 - weight) * (this.variance + distance * step);
  }

  snapshot(): BaselineSnapshot {
    return {
      calls: this.calls,
      errorRate: this.errorRate,
      latencyMs: codeToMs(this.meanCode),
      latencyVariance: this.variance / CODES_PER_OCTAVE ** 2,
    };
  }

  restore(known: BaselineSnapshot): void {
    this.calls = known.calls;
    this.errorRate = known.errorRate;
    this.meanCode = encodeLatency(known.latencyMs);
    this.variance = known.latencyVariance * CODES_PER_OCTAVE ** 2;
  }
}
