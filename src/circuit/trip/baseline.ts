import { CODES_PER_OCTAVE, codeToMs, encodeLatency } from '../window/latency-code.js';

/** The moving averages of the adaptive rule, as a snapshot shows them. */
export interface BaselineSnapshot {
  /** How many calls the averages include. */
  readonly calls: number;
  /** The average error rate, from 0 to 1. */
  readonly errorRate: number;
  /** The geometric mean of the latencies, in milliseconds. */
  readonly latencyMs: number;
  /** The variance of the latency's base-2 logarithm. */
  readonly latencyVariance: number;
}

/** The averages extend over at least this many windows: faster ones would follow the very change that they should detect. */
const WINDOWS = 10;

/** The normal values of a circuit: moving averages with exponentially falling weights (plain averages during the warm-up). */
export class Baseline {
  calls = 0;
  errorRate = 0;
  /** The mean of the latencies' codes. */
  meanCode = 0;
  /** The variance of the latencies' codes. */
  variance = 0;

  /**
   * @param baselineCalls the number of calls over which the averages are taken
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
