/**
 * What a circuit does with its knowledge. `enforce`: rejects when it must. `observe`: counts and reports every
 * transition, rejects nothing. `off`: passes everything through and records nothing.
 */
export type CircuitMode = 'enforce' | 'observe' | 'off';

export type WindowOptions =
  /** The last `size` outcomes. */
  | { readonly type: 'count'; readonly size: number }
  /** The outcomes of the last `durationMs`, in `buckets` equal parts. @default buckets 10 */
  | { readonly type: 'time'; readonly durationMs: number; readonly buckets?: number };

/** A trip rule as data; made by `consecutive()`, `failureRate()`, `slowRate()`, `latency()`, `adaptive()`. */
export type TripRule =
  | { readonly rule: 'consecutive-failures'; readonly failures: number }
  | { readonly rule: 'failure-rate'; readonly threshold: number; readonly minimumCalls: number }
  | {
      readonly rule: 'slow-rate';
      readonly threshold: number;
      readonly slowThresholdMs: number;
      readonly minimumCalls: number;
    }
  | {
      readonly rule: 'latency-percentile';
      readonly percentile: number;
      readonly thresholdMs: number;
      readonly minimumCalls: number;
    }
  | AdaptiveRule;

/** See `adaptive()`. */
export interface AdaptiveRule {
  readonly rule: 'adaptive';
  readonly minimumCalls: number;
  /** Calls over which the slow moving averages are taken. */
  readonly baselineCalls: number;
  /** How many standard errors from the average are still noise. */
  readonly sigmas: number;
  /** Error rates at or below this never fire. */
  readonly errorRateFloor: number;
  /** The least distance of the error rate from its average, as a rate. */
  readonly minimumErrorRateRise: number;
  /** Typical (geometric mean) latencies at or below this never fire. */
  readonly latencyFloorMs: number;
  /** The least ratio of the typical latency to its average. */
  readonly minimumLatencyRatio: number;
}

export type Jitter = 'none' | 'full' | 'equal';

/** Every option of a circuit. One table of the README says why the defaults are what they are. */
export interface CircuitOptions {
  /** Any may fire. @default five failures in a row, or half of at least twenty calls */
  readonly trip?: readonly TripRule[];
  /** @default the last 100 calls */
  readonly window?: WindowOptions;
  readonly open?: {
    /** How long it is open the first time. @default 5000 */
    readonly baseMs?: number;
    /** How many times longer with each opening until it is fully recovered. @default 2 */
    readonly multiplier?: number;
    /** The longest, but for a push-back. @default 60000, or baseMs if that is more */
    readonly maxMs?: number;
    /** How much of the time is chance: none of it, all, or half. @default 'equal' */
    readonly jitter?: Jitter;
    /** The most that a server's push-back may ask for. @default 60000 */
    readonly maxPushbackMs?: number;
  };
  readonly halfOpen?: {
    /** Probes admitted in all (not at a time). @default successThreshold, or 1 */
    readonly permittedProbes?: number;
    /** Successes that it takes; at most `permittedProbes`. @default permittedProbes */
    readonly successThreshold?: number;
    /** A probe that is not settled by then counts as a failure. @default 10000 */
    readonly probeTimeoutMs?: number;
  };
  /** The ramp after a recovery; `false` for none. @default durationMs 5000, initialShare 0.2 */
  readonly recovering?: false | { readonly durationMs?: number; readonly initialShare?: number };
  /** Most calls at a time; `false` for no limit. @default false */
  readonly concurrency?: false | ConcurrencyOptions;
  /**
   * Google SRE's adaptive throttling instead of the binary circuit; `false` for the circuit. With it only
   * `concurrency` and `mode` count beside it. @default false
   */
  readonly throttle?: false | ThrottleOptions;
  /** @default 'enforce' */
  readonly mode?: CircuitMode;
}

export type ConcurrencyOptions =
  | { readonly type: 'fixed'; readonly limit: number }
  /** Additive increase, multiplicative decrease (Chiu and Jain, 1989). */
  | {
      readonly type: 'aimd';
      /** @default 20, within the two bounds */
      readonly initialLimit?: number;
      /** @default 1 */
      readonly minLimit?: number;
      /** @default 200, or minLimit if that is more */
      readonly maxLimit?: number;
      /** What an overload leaves of the limit. @default 0.9 */
      readonly backoffRatio?: number;
      /** A call slower than this counts as a sign of overload. @default none */
      readonly latencyThresholdMs?: number;
    };

export interface ThrottleOptions {
  /** How many requests per accepted one are let through. @default 2 */
  readonly k?: number;
  /** The most that is rejected, so that something still probes. @default 0.9 */
  readonly maxRejectShare?: number;
  /** @default 120000 (two minutes, as in the SRE book) */
  readonly windowMs?: number;
}
