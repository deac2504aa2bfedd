import type { TripRule } from '../trip/rules.js';

/**
 * What a circuit does. `enforce`: it rejects calls. `observe`: it counts and reports every transition, but rejects no call.
 * `off`: it admits every call and records nothing.
 */
export type CircuitMode = 'enforce' | 'observe' | 'off';

/** Every {@link CircuitMode}. */
export const CIRCUIT_MODES: readonly CircuitMode[] = ['enforce', 'observe', 'off'];

/** Which calls a circuit remembers. */
export type WindowOptions =
  | {
      /** A fixed number of outcomes, however old. */
      readonly type: 'count';
      /** How many outcomes the window holds: 1 to 1,000,000. */
      readonly size: number;
    }
  | {
      /** All outcomes of a fixed time. */
      readonly type: 'time';
      /** The length of the window, in milliseconds. */
      readonly durationMs: number;
      /** The number of equal parts of the window: outcomes leave it one part at a time. 1 to 1000. @default 10 */
      readonly buckets?: number;
    };

/** Which part of an open time is random: none of it, all of it (`full`), or half of it (`equal`). */
export type Jitter = 'none' | 'full' | 'equal';

/** How long a circuit stays open. */
export interface OpenOptions {
  /** The open time of the first opening, in milliseconds, before jitter. @default 1000 */
  readonly baseMs?: number;
  /** The factor by which the open time grows with each opening until the circuit has closed again. @default 1.2 */
  readonly multiplier?: number;
  /** The longest open time, in milliseconds; only a push-back may be longer. @default 60000, or baseMs if that is more */
  readonly maxMs?: number;
  /** Which part of the open time is random. @default 'equal' */
  readonly jitter?: Jitter;
  /** The longest time for which a server's push-back keeps the circuit open, in milliseconds. @default 60000 */
  readonly maxPushbackMs?: number;
}

/** How a half-open circuit probes. If only one of the first two options is set, the other has the same value. */
export interface HalfOpenOptions {
  /** How many probes are admitted in all (not at a time). @default successThreshold, or 1 */
  readonly permittedProbes?: number;
  /** How many probes must succeed; at most `permittedProbes`. @default permittedProbes */
  readonly successThreshold?: number;
  /** A probe that is not settled after this time counts as a failure, in milliseconds. @default 10000 */
  readonly probeTimeoutMs?: number;
}

/**
 * How a recovering circuit admits more and more calls: each healthy answer admits one more at a time (as in TCP's slow start),
 * and in addition a share of the calls is admitted that grows with time.
 */
export interface RampOptions {
  /**
   * After this time, in milliseconds, every call is admitted, whatever the answers were. The time begins anew whenever the server
   * becomes slow under its load or answers with overloads; a ramp lasts at most twelve times as long. @default 5000
   */
  readonly durationMs?: number;
  /** The least share of calls that is admitted at the beginning of this time: above 0, up to 1. @default 0.05 */
  readonly initialShare?: number;
}

/** The limit of a circuit's calls in flight. */
export type ConcurrencyOptions =
  | {
      /** The limit does not change. */
      readonly type: 'fixed';
      /** The most calls in flight. */
      readonly limit: number;
    }
  | {
      /** The limit adapts: additive increase, multiplicative decrease (Chiu and Jain, 1989). */
      readonly type: 'aimd';
      /** The limit at the beginning. @default 20, or the nearer of the two bounds */
      readonly initialLimit?: number;
      /** The lowest limit. @default 1 */
      readonly minLimit?: number;
      /** The highest limit. @default 200, or minLimit if that is more */
      readonly maxLimit?: number;
      /** The factor by which an overload reduces the limit: 0.1 to 0.999. @default 0.9 */
      readonly backoffRatio?: number;
      /** A call that takes longer, in milliseconds, reduces the limit like an overload. @default no threshold */
      readonly latencyThresholdMs?: number;
    };

/** Client-side throttling in place of the states of a circuit. */
export interface ThrottleOptions {
  /** How many requests are admitted per request that the server accepts: 1 to 1000. @default 2 */
  readonly k?: number;
  /** The largest share of calls that is rejected, so that some calls still reach the server: 0 to 1. @default 0.9 */
  readonly maxRejectShare?: number;
  /** The time over which requests are counted, in milliseconds. @default 120000 (two minutes, as in the SRE book) */
  readonly windowMs?: number;
}

/** Every option of a circuit. The README gives the reasons for the defaults. */
export interface CircuitOptions {
  /**
   * Setting this replaces the default rules; to add a rule to them, spread them:
   * `trip: [...defaults.trip, latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 })]`. The circuit opens
   * as soon as any of the rules fires; without a rule it never opens.
   * @default five failures in a row, or failures and overloads in half of at least twenty calls
   */
  readonly trip?: readonly TripRule[];
  /** Which calls the trip rules count. @default the last 100 calls */
  readonly window?: WindowOptions;
  /** How long the circuit stays open. */
  readonly open?: OpenOptions;
  /** How the circuit probes. */
  readonly halfOpen?: HalfOpenOptions;
  /** The ramp after a recovery; `false` for no ramp. @default durationMs 5000, initialShare 0.05 */
  readonly recovering?: false | RampOptions;
  /** The limit of calls in flight; `false` for no limit. @default false */
  readonly concurrency?: false | ConcurrencyOptions;
  /**
   * Google SRE's adaptive throttling in place of a circuit that opens; `false` for such a circuit. With a throttle, only
   * `concurrency` and `mode` have an effect in addition. @default false
   */
  readonly throttle?: false | ThrottleOptions;
  /** Whether the circuit rejects calls, only reports, or does nothing. @default 'enforce' */
  readonly mode?: CircuitMode;
}
