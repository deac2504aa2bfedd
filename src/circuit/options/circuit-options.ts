import type { TripRule } from '../trip/rules.js';

/**
 * What a circuit does with its knowledge. `enforce`: rejects when it must. `observe`: counts and reports every
 * transition, rejects nothing. `off`: passes everything through and records nothing.
 */
export type CircuitMode = 'enforce' | 'observe' | 'off';

/** Which calls a circuit remembers. */
export type WindowOptions =
  | {
      /** The last so many outcomes, however old. */
      readonly type: 'count';
      /** How many. */
      readonly size: number;
    }
  | {
      /** The outcomes of the last so many milliseconds, however many. */
      readonly type: 'time';
      /** How far back it goes, in milliseconds. */
      readonly durationMs: number;
      /** In how many equal parts outcomes leave it. @default 10 */
      readonly buckets?: number;
    };

/** How much of an open time is chance: none of it, all, or half. */
export type Jitter = 'none' | 'full' | 'equal';

/** How long a circuit stays open. */
export interface OpenOptions {
  /** How long it is open the first time, in milliseconds. @default 1000 */
  readonly baseMs?: number;
  /** How many times longer with each opening until it is closed again. @default 1.2 */
  readonly multiplier?: number;
  /** The longest, but for a push-back, in milliseconds. @default 60000, or baseMs if that is more */
  readonly maxMs?: number;
  /** How much of the time is chance. @default 'equal' */
  readonly jitter?: Jitter;
  /** The longest time for which a server's push-back keeps the circuit open, in milliseconds. @default 60000 */
  readonly maxPushbackMs?: number;
}

/** How a half-open circuit probes. One of the first two options alone sets both. */
export interface HalfOpenOptions {
  /** Probes admitted in all (not at a time). @default successThreshold, or 1 */
  readonly permittedProbes?: number;
  /** Successes that it takes to recover; at most `permittedProbes`. @default permittedProbes */
  readonly successThreshold?: number;
  /** A probe that is not settled by then counts as a failure, in milliseconds. @default 10000 */
  readonly probeTimeoutMs?: number;
}

/**
 * How a recovering circuit admits more and more calls: with each healthy answer one more at a time (TCP's slow start), and
 * by time at least a growing share.
 */
export interface RampOptions {
  /**
   * After this time every call is admitted, in milliseconds, whatever the answers were. A server that becomes slow under its load, or
   * answers with overloads, begins the time anew, up to twelve times in all. @default 5000
   */
  readonly durationMs?: number;
  /** The share that is admitted at the beginning of this time at least: above 0, up to 1. @default 0.05 */
  readonly initialShare?: number;
}

/** How many calls a circuit lets out at a time. */
export type ConcurrencyOptions =
  | {
      /** Always the same number. */
      readonly type: 'fixed';
      /** The most calls at a time. */
      readonly limit: number;
    }
  | {
      /** Additive increase, multiplicative decrease (Chiu and Jain, 1989). */
      readonly type: 'aimd';
      /** @default 20, within the two bounds */
      readonly initialLimit?: number;
      /** @default 1 */
      readonly minLimit?: number;
      /** @default 200, or minLimit if that is more */
      readonly maxLimit?: number;
      /** What an overload leaves of the limit: 0.1 to 0.999. @default 0.9 */
      readonly backoffRatio?: number;
      /** A call slower than this, in milliseconds, counts as a sign of overload. @default none */
      readonly latencyThresholdMs?: number;
    };

/** Client-side throttling in place of the states of a circuit. */
export interface ThrottleOptions {
  /** How many requests per accepted one are let through. @default 2 */
  readonly k?: number;
  /** The most that is rejected, so that something still probes: 0 to 1. @default 0.9 */
  readonly maxRejectShare?: number;
  /** Over how long requests are counted, in milliseconds. @default 120000 (two minutes, as in the SRE book) */
  readonly windowMs?: number;
}

/** Every option of a circuit. The README gives the reasons for the defaults. */
export interface CircuitOptions {
  /**
   * Setting this drops the default rules; to add a rule to them, spread them:
   * `trip: [...defaults.trip, latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 })]`. The circuit opens
   * when any of the rules fires; with no rule it never opens.
   * @default five failures in a row, or half of at least twenty calls
   */
  readonly trip?: readonly TripRule[];
  /** @default the last 100 calls */
  readonly window?: WindowOptions;
  /** How long it stays open. */
  readonly open?: OpenOptions;
  /** How it probes. */
  readonly halfOpen?: HalfOpenOptions;
  /** The ramp after a recovery; `false` for none. @default durationMs 5000, initialShare 0.05 */
  readonly recovering?: false | RampOptions;
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
