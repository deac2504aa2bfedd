import type { Outcome } from '../classify/outcome.js';
import type { ResolvedConcurrency } from './options/resolve.js';

/** The limit of a circuit's calls in flight. */
export interface ConcurrencyLimit {
  readonly limit: number;
  /**
   * Learns from a call that ended with an outcome that counts.
   * @param durationMs undefined if it is no latency of the server, or was not measured
   * @param inFlight how many calls are still in flight
   */
  settled(outcome: Outcome, durationMs: number | undefined, inFlight: number): void;
  /** Notes that a call ended whose outcome does not count. */
  discounted(): void;
  reset(): void;
}

export function createLimit(options: false | ResolvedConcurrency): ConcurrencyLimit | undefined {
  if (options === false) return undefined;
  return options.type === 'fixed' ? new FixedLimit(options.limit) : new AimdLimit(options);
}

/** The limit of a reconfigured circuit. If the options of the limit stay the same, the old limit stays, too. */
export function replaceLimit(
  old: ConcurrencyLimit | undefined,
  oldOptions: false | ResolvedConcurrency,
  options: false | ResolvedConcurrency,
): ConcurrencyLimit | undefined {
  return JSON.stringify(options) === JSON.stringify(oldOptions) ? old : createLimit(options);
}

class FixedLimit implements ConcurrencyLimit {
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  settled(): void {
    // a fixed limit learns nothing
  }

  discounted(): void {
    // a fixed limit waits for no call
  }

  reset(): void {
    // a fixed limit has nothing to forget
  }
}

type AimdOptions = Extract<ResolvedConcurrency, { type: 'aimd' }>;

/**
 * Additive increase, multiplicative decrease (Chiu and Jain, 1989), as in TCP's congestion avoidance. For every `limit` healthy
 * outcomes the limit grows by 1, but only while at least half of it is used. An overload, or a call over the latency threshold,
 * multiplies the limit by `backoffRatio`, once per round trip: calls that were in flight at that moment are no evidence about
 * the new limit.
 */
class AimdLimit implements ConcurrencyLimit {
  readonly #options: AimdOptions;
  #limit: number;
  /** How many calls were in flight at the last decrease, less those that have ended since. */
  #fromBefore = 0;

  constructor(options: AimdOptions) {
    this.#options = options;
    this.#limit = options.initialLimit;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  settled(outcome: Outcome, durationMs: number | undefined, inFlight: number): void {
    // an overload shows that the limit is too high, however long the answer took
    if (durationMs === undefined && outcome !== 'overload') return this.discounted();
    const tookMs = durationMs ?? 0;
    const { minLimit, maxLimit, backoffRatio, latencyThresholdMs } = this.#options;
    if (this.#fromBefore > 0) {
      this.#fromBefore -= 1;
    } else if (outcome === 'overload' || (outcome !== 'ignored' && tookMs > latencyThresholdMs)) {
      this.#limit = Math.max(minLimit, this.#limit * backoffRatio);
      this.#fromBefore = inFlight;
    } else if (outcome === 'success' || outcome === 'caller-error') {
      // half of it, as in Netflix's concurrency-limits: an idle client learns nothing about its server
      if ((inFlight + 1) * 2 >= this.#limit) this.#limit = Math.min(maxLimit, this.#limit + 1 / this.#limit);
    }
  }

  discounted(): void {
    if (this.#fromBefore > 0) this.#fromBefore -= 1;
  }

  reset(): void {
    this.#limit = this.#options.initialLimit;
    this.#fromBefore = 0;
  }
}
