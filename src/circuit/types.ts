import type { Outcome } from '../classify/outcome.js';
import type { CircuitSnapshot } from './circuit-snapshot.js';
import type { Circumstances } from './circumstances.js';
import type { CircuitStateName, RejectionReason } from './names.js';
import type { CircuitMode, CircuitOptions } from './options/circuit-options.js';
import type { Priority } from './priority.js';

export type { CircuitSnapshot } from './circuit-snapshot.js';
export type { Circumstances } from './circumstances.js';
export { type CircuitStateName, REJECTION_REASONS, type RejectionReason } from './names.js';
export type {
  CircuitMode,
  CircuitOptions,
  ConcurrencyOptions,
  HalfOpenOptions,
  Jitter,
  OpenOptions,
  RampOptions,
  ThrottleOptions,
  WindowOptions,
} from './options/circuit-options.js';
export type { Priority } from './priority.js';
export type { AdaptiveOptions, AdaptiveRule } from './trip/adaptive.js';
export type { BaselineSnapshot } from './trip/baseline.js';
export type { ConsecutiveFailuresRule } from './trip/consecutive-failures.js';
export type { FailureRateRule } from './trip/failure-rate.js';
export type { LatencyPercentileRule } from './trip/latency-percentile.js';
export type { TripRule, TripRuleName } from './trip/rules.js';
export type { Signal, SignalRule } from './trip/signal.js';
export type { SlowRateRule } from './trip/slow-rate.js';

/** What `acquire()` gives an admitted call. Settled or withdrawn exactly once: the second time does nothing. */
export interface Permit {
  /** Tells it from a {@link Rejection}. */
  readonly admitted: true;
  /** The circuit's generation when it was issued; it bumps with each transition. */
  readonly generation: number;
  /** Whether this call is a probe of a half-open circuit. */
  readonly probe: boolean;
  /**
   * Records how the call ended.
   * @param durationMs how long it took; the trip rules say what is slow. undefined where it was not measured: the outcome counts, and no latency
   * @param pushbackMs the server's push-back, in milliseconds, where it sent one; counts only with a failure or an overload
   * @param circumstances what makes the outcome or the duration weaker evidence than it seems
   */
  settle(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs?: number,
    circumstances?: Circumstances,
  ): void;
  /**
   * The same as `settle('ignored', 0)`, for a call that did not go out after all, because something behind the circuit refused it.
   * What the permit held, a probe's slot or its share of a ramp, is free for another call.
   */
  withdraw(): void;
}

/** What `acquire()` gives a call that is not admitted. A plain value, never thrown. */
export interface Rejection {
  /** Tells it from a {@link Permit}. */
  readonly admitted: false;
  /** Why the call was not admitted. */
  readonly reason: RejectionReason;
  /** After how long a call may be worth trying again, in milliseconds; 0 where that is not known. */
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
   * Aborts the work; a rejection of `fn` after that is `ignored`. A `TimeoutError`, which `AbortSignal.timeout()` aborts
   * with, is a deadline that the server missed: that one counts as any other error.
   */
  signal?: AbortSignal;
  /**
   * The outcome of a call that threw this error. Where it throws itself, or returns no outcome, the call is a
   * `failure` and the caller gets that error. @default every error is a `failure`
   */
  classify?: (error: unknown) => Outcome;
  /** Where a limit, a throttle or a ramp binds, work of low priority is rejected first. @default 'normal' */
  priority?: Priority;
}

/**
 * How readiness checks and synthetic probes, which live outside the circuit, move its open time. Each opening has its own
 * generation: an answer about an older one changes nothing.
 */
export interface CircuitRecovery {
  /** The present opening; undefined unless the circuit is open. Does not move the circuit. */
  opening(): Opening | undefined;
  /** The server is ready: the open time is over, but not before the server's push-back. */
  ready(generation: number): void;
  /**
   * The server is not ready: the circuit stays open until then, but at most `maxHoldMs` longer than its own time.
   * @param untilMs by the circuit's clock
   */
  notReady(generation: number, untilMs: number, maxHoldMs: number): void;
  /**
   * Reserves the probes for {@link acquireProbe}: callers become probes only `forMs` after the end of the open time, or, if the
   * circuit is half-open, `forMs` from now. The generation of a half-open circuit is that of its permits.
   */
  reserveProbes(generation: number, forMs: number): void;
  /**
   * A permit for a synthetic probe, once the open time is over.
   * @param reserveMs for how long no caller becomes a probe from now on
   */
  acquireProbe(reserveMs: number): Permit | undefined;
}

/** An opening of a circuit. */
export interface Opening {
  /** The circuit's generation, which differs for each opening. */
  readonly generation: number;
  /** When it is over, by the circuit's clock. */
  readonly untilMs: number;
}

/** One key's guard. Pure: no gRPC, no timers, no I/O; time comes from the clock it was made with. */
export interface Circuit {
  /** Names the circuit: target, method path, `#` and key part. */
  readonly key: string;
  /** The state at this moment: reading it may move an open circuit, whose time is over, to half-open. */
  readonly state: CircuitStateName;
  /**
   * Admits a call or rejects it. Never throws.
   * @param priority decides which calls are rejected first where a limit, a throttle or a ramp binds. @default 'normal'
   */
  acquire(priority?: Priority): Permit | Rejection;
  /** Can be set while running. */
  mode: CircuitMode;
  /** Calls admitted and not yet settled. */
  readonly inFlight: number;
  /** Handles that hold it isolated. */
  readonly isolated: number;
  /** Rejects everything until every handle is released. */
  isolate(): IsolationHandle;
  /** Its options in force, with every default filled in. Absent where the engine does not give them. */
  readonly options?: CircuitOptions;
  /** Back to closed with an empty window and no openings; permits in flight become stale. */
  reset(): void;
  /** Everything that it knows, as plain JSON. */
  snapshot(): CircuitSnapshot;
  /**
   * Takes over the state, openings, the end of the open time, the adaptive rule's averages and the totals of a snapshot, so
   * that a restarted process does not start blind. The window starts empty. A bad snapshot changes nothing.
   * @param field how an error names the snapshot. @default 'snapshot'
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field, when it is not a snapshot, or FAILSOFT_UNSUPPORTED by
   *   engines that cannot
   */
  restore(snapshot: unknown, field?: string): void;
  /**
   * Puts new settings in force. What is left out has its default again, but for the mode, which stays. State and counts
   * stay; a window whose shape changes (its type, its length, the latency thresholds of the trip rules) starts empty.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED by engines that cannot
   */
  reconfigure(options: CircuitOptions): void;
  /**
   * Runs `fn` under this circuit, for what is not gRPC. It measures each call; but of calls that take less than 0.1 ms only one of
   * eight, while the circuit is closed and has no rule or limit that goes by durations.
   * @throws FailsoftError FAILSOFT_REJECTED (with the {@link Rejection} as `cause`) when not admitted, else what `fn` throws
   */
  execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T>;
  /**
   * How readiness checks and synthetic probes move its open time; the `recovery` option of a guard uses it. Absent in throttles,
   * and in circuits of engines that cannot move an open time.
   */
  readonly recovery?: CircuitRecovery | undefined;
  /**
   * Releases what the engine holds for it (listeners, timers). To be called when a circuit is dropped. Absent where there is
   * nothing to release.
   */
  close?(): void;
}
