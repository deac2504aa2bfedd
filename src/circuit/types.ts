import type { Outcome } from '../classify/outcome.js';
import type { CircuitSnapshot } from './circuit-snapshot.js';
import type { Circumstances } from './circumstances.js';
import type { CircuitStateName, RejectionReason } from './names.js';
import type { CircuitMode, CircuitOptions } from './options/circuit-options.js';
import type { Priority } from './priority.js';

export type { CircuitSnapshot } from './circuit-snapshot.js';
export type { Circumstances } from './circumstances.js';
export { type CircuitStateName, REJECTION_REASONS, type RejectionReason } from './names.js';
export {
  CIRCUIT_MODES,
  type CircuitMode,
  type CircuitOptions,
  type ConcurrencyOptions,
  type HalfOpenOptions,
  type Jitter,
  type OpenOptions,
  type RampOptions,
  type ThrottleOptions,
  type WindowOptions,
} from './options/circuit-options.js';
export { PRIORITIES, type Priority } from './priority.js';
export type { AdaptiveOptions, AdaptiveRule } from './trip/adaptive.js';
export type { BaselineSnapshot } from './trip/baseline.js';
export type { ConsecutiveFailuresRule } from './trip/consecutive-failures.js';
export type { FailureRateRule } from './trip/failure-rate.js';
export type { LatencyPercentileRule } from './trip/latency-percentile.js';
export type { TripRule, TripRuleName } from './trip/rules.js';
export type { Signal, SignalRule } from './trip/signal.js';
export type { SlowRateRule } from './trip/slow-rate.js';

/** The result of `acquire()` for an admitted call. Settle or withdraw it exactly once: a second time does nothing. */
export interface Permit {
  /** Distinguishes a permit from a {@link Rejection}. */
  readonly admitted: true;
  /** The circuit's generation when the permit was issued. Each transition and reset begins a new generation. */
  readonly generation: number;
  /** Whether this call is a probe of a half-open circuit. */
  readonly probe: boolean;
  /**
   * Records how the call ended.
   * @param durationMs how long the call took, in milliseconds; undefined if it was not measured: then only the outcome counts
   * @param pushbackMs the push-back that the server sent, in milliseconds; counts only with a failure or an overload
   * @param circumstances facts that make the outcome or the duration weaker evidence
   */
  settle(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs?: number,
    circumstances?: Circumstances,
  ): void;
  /**
   * The same as `settle('ignored', 0)`, for a call that was not sent after all, because something behind the circuit refused it.
   * The probe's slot, or the share of a ramp, that the permit held is free for another call.
   */
  withdraw(): void;
}

/** The result of `acquire()` for a call that is not admitted. A plain value, never thrown. */
export interface Rejection {
  /** Distinguishes a rejection from a {@link Permit}. */
  readonly admitted: false;
  /** Why the call was not admitted. */
  readonly reason: RejectionReason;
  /** After how many milliseconds a retry may succeed; 0 if that is not known. */
  readonly retryAfterMs: number;
}

/** Holds a circuit isolated. Releasing twice does nothing. */
export interface IsolationHandle extends Disposable {
  /** Gives up this hold. The circuit admits calls again when no hold is left. */
  release(): void;
}

/** Options of {@link Circuit.execute}. */
export interface ExecuteOptions {
  /**
   * Passed to `fn`. If the signal has aborted when `fn` fails, the outcome is `ignored`; but after a `TimeoutError` (the reason
   * of `AbortSignal.timeout()`), which is a deadline that the server missed, the error counts like any other. If the signal has
   * aborted before the call, `execute()` throws its reason. @default a signal that never aborts
   */
  signal?: AbortSignal;
  /**
   * Returns the outcome of a call that threw this error. If `classify` throws, or returns no outcome, the call is a
   * `failure` and the caller gets that error instead. @default every error is a `failure`
   */
  classify?: (error: unknown) => Outcome;
  /** If a limit, a throttle or a ramp cannot admit every call, calls of low priority are rejected first. @default 'normal' */
  priority?: Priority;
}

/**
 * Lets readiness checks and synthetic probes, which run outside the circuit, move its open time. Each opening has its own
 * generation: an answer about an earlier opening changes nothing.
 */
export interface CircuitRecovery {
  /** The present opening; undefined unless the circuit is open. Does not make the circuit half-open. */
  opening(): Opening | undefined;
  /** Call it when the server is ready: the open time ends now, or at the end of the server's push-back. */
  ready(generation: number): void;
  /**
   * Call it when the server is not ready: the circuit stays open until `untilMs`.
   * @param untilMs in milliseconds, by the circuit's clock
   * @param maxHoldMs the circuit stays open at most this many milliseconds longer than without checks
   */
  notReady(generation: number, untilMs: number, maxHoldMs: number): void;
  /**
   * Reserves the probes for {@link acquireProbe}: callers become probes only `forMs` after the end of the open time, or, if the
   * circuit is half-open, `forMs` from now. The generation of a half-open circuit is that of its permits.
   */
  reserveProbes(generation: number, forMs: number): void;
  /**
   * A permit for a synthetic probe; undefined before the open time is over, and while no probe may be admitted.
   * @param reserveMs for how many milliseconds from now no caller's call becomes a probe
   */
  acquireProbe(reserveMs: number): Permit | undefined;
}

/** An opening of a circuit. */
export interface Opening {
  /** The circuit's generation, which differs for each opening. */
  readonly generation: number;
  /** When the open time is over, in milliseconds by the circuit's clock. */
  readonly untilMs: number;
}

/** The circuit of one key. No gRPC, no timers, no I/O; the time comes from the clock that the circuit was made with. */
export interface Circuit {
  /** The name of the circuit: target, method path, `#` and key part. */
  readonly key: string;
  /** The state at this moment. To read it makes an open circuit half-open if its open time is over. */
  readonly state: CircuitStateName;
  /**
   * Admits a call or rejects it. Never throws.
   * @param priority if a limit, a throttle or a ramp cannot admit every call, calls of low priority are rejected first.
   * @default 'normal'
   */
  acquire(priority?: Priority): Permit | Rejection;
  /** Whether the circuit rejects calls, only reports, or does nothing. Can be set at any time. */
  mode: CircuitMode;
  /** Calls admitted and not yet settled. */
  readonly inFlight: number;
  /** How many handles hold the circuit isolated. */
  readonly isolated: number;
  /** Rejects every call until every handle is released. */
  isolate(): IsolationHandle;
  /** The options in force, with every default filled in. Absent if the engine does not provide them. */
  readonly options?: CircuitOptions;
  /** Closes the circuit, with an empty window and no openings. Permits in flight become stale. */
  reset(): void;
  /** The state and the counts, as plain JSON. */
  snapshot(): CircuitSnapshot;
  /**
   * Takes over from a snapshot the state, the openings, the end of the open time, the adaptive rule's averages and the totals,
   * so that a restarted process does not begin without knowledge. The window starts empty. A bad snapshot changes nothing.
   * @param field how an error names the snapshot. @default 'snapshot'
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, naming the field, for a bad snapshot; FAILSOFT_UNSUPPORTED if the engine
   *   does not support it
   */
  restore(snapshot: unknown, field?: string): void;
  /**
   * Puts new options in force. An option that is left out gets its default again, except the mode, which stays. State and
   * counts stay; a window whose shape changes (its type, its length, the latency thresholds of the trip rules) starts empty.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED if the engine does not support it
   */
  reconfigure(options: CircuitOptions): void;
  /**
   * Runs `fn` under this circuit, for work that is not gRPC. Measures every call; but while the circuit is closed and no rule and
   * no limit uses durations, only one in eight of the calls that take less than 0.1 ms.
   * @throws FailsoftError FAILSOFT_REJECTED, with the {@link Rejection} as `cause`, if the call is not admitted;
   *   FAILSOFT_INVALID_ARGUMENT for a bad argument; else the error of `fn`
   */
  execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T>;
  /**
   * Lets readiness checks and synthetic probes move the open time; the `recovery` option of a guard uses it. Absent in throttles,
   * and in circuits of engines that cannot move an open time.
   */
  readonly recovery?: CircuitRecovery | undefined;
  /**
   * Releases the listeners and timers that the engine holds for this circuit. Call it when you drop the circuit. Absent if
   * there is nothing to release.
   */
  close?(): void;
}
