import type { Outcome } from '../classify/outcome.js';
import type { CircuitMode, CircuitOptions } from './option-types.js';

export type * from './option-types.js';

/** The states of a circuit. `isolate()` lies over them, `mode` beside them. */
export type CircuitStateName = 'closed' | 'open' | 'half-open' | 'recovering';

/** Why a call was not admitted; the `reason` of the ErrorInfo that the caller of a client sees. */
export type RejectionReason =
  | 'CIRCUIT_OPEN'
  | 'HALF_OPEN'
  | 'RECOVERING'
  | 'ISOLATED'
  | 'CONCURRENCY_LIMIT'
  | 'THROTTLED';

export const REJECTION_REASONS: readonly RejectionReason[] = [
  'CIRCUIT_OPEN',
  'HALF_OPEN',
  'RECOVERING',
  'ISOLATED',
  'CONCURRENCY_LIMIT',
  'THROTTLED',
];

/** What `acquire()` gives an admitted call. Settled exactly once: a second `settle` does nothing. */
export interface Permit {
  readonly admitted: true;
  /** The circuit's generation when it was issued; it bumps with each transition. */
  readonly generation: number;
  /** Whether this call is a probe of a half-open circuit. */
  readonly probe: boolean;
  /**
   * Says how the call ended.
   * @param durationMs how long it took; what is slow is the trip rules' to say
   * @param pushbackMs how long the server asked to be left alone, where it did; only failures and overloads are heard
   */
  settle(outcome: Outcome, durationMs: number, pushbackMs?: number): void;
}

/** What `acquire()` gives a call that is not admitted. A plain value, never thrown. */
export interface Rejection {
  readonly admitted: false;
  readonly reason: RejectionReason;
  /** After how long it may be worth trying again; 0 where nobody can tell. */
  readonly retryAfterMs: number;
}

/** Holds a circuit isolated. Releasing twice does nothing. */
export interface IsolationHandle extends Disposable {
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
   * What a thrown error says about the server. Where it throws itself, or says what is no outcome, the call is a
   * `failure` and the caller gets that error. @default every error is a `failure`
   */
  classify?: (error: unknown) => Outcome;
}

/** One key's guard. Pure: no gRPC, no timers, no I/O; time comes from the clock it was made with. */
export interface Circuit {
  readonly key: string;
  /** The state at this moment: reading it may move an open circuit, whose time is over, to half-open. */
  readonly state: CircuitStateName;
  /** May this call go out? Never throws. */
  acquire(): Permit | Rejection;
  /** Can be set while running. */
  mode: CircuitMode;
  /** Rejects everything until every handle is released. */
  isolate(): IsolationHandle;
  /** Back to closed with an empty window and attempt 0; permits in flight become stale. */
  reset(): void;
  snapshot(): CircuitSnapshot;
  /**
   * Takes over what a snapshot knew, so that a restarted process does not start blind. One that is bad changes nothing.
   * @param field how an error names the snapshot. @default 'snapshot'
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field, when it is not a snapshot, or FAILSOFT_UNSUPPORTED by
   *   engines that cannot
   */
  restore(snapshot: unknown, field?: string): void;
  /**
   * Puts new settings in force and keeps what has been counted where that makes sense.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED by engines that cannot
   */
  reconfigure(options: CircuitOptions): void;
  /**
   * Runs `fn` under this circuit, for what is not gRPC.
   * @throws FailsoftError FAILSOFT_REJECTED (with the {@link Rejection} as `cause`) when not admitted, else what `fn` throws
   */
  execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T>;
  /**
   * Lets go of what the engine holds for it (listeners, timers). Whoever drops a circuit calls it; calls that still come
   * pass, unrecorded. Absent where there is nothing to let go of.
   */
  close?(): void;
}

/** Everything a circuit knows, as plain JSON. Times are milliseconds since the epoch, by the circuit's clock. */
export interface CircuitSnapshot {
  readonly version: 1;
  readonly key: string;
  readonly engine: string;
  readonly takenAtMs: number;
  readonly state: CircuitStateName;
  readonly mode: CircuitMode;
  /** Handles that hold it isolated. */
  readonly isolated: number;
  readonly sinceMs: number;
  /** How often it opened since it was last fully recovered. */
  readonly attempt: number;
  /** When an open circuit will admit a probe; null in other states. */
  readonly openUntilMs: number | null;
  readonly generation: number;
  readonly inFlight: number;
  /** What the window holds. */
  readonly window: {
    readonly calls: number;
    readonly unhealthy: number;
    readonly failureRate: number;
    /** Share over the slow threshold; null where no slow-rate rule is set. */
    readonly slowRate: number | null;
    /** Latency percentiles over the window; null when it is empty or keeps no latencies. */
    readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number } | null;
  };
  readonly consecutiveFailures: number;
  /** Totals since the circuit was made (or `restore`d): they only grow. */
  readonly totals: {
    readonly admitted: number;
    readonly outcomes: Readonly<Record<Outcome, number>>;
    readonly rejected: Readonly<Record<RejectionReason, number>>;
    /** Outcomes of permits from an earlier generation, which changed nothing. */
    readonly stale: number;
    readonly opened: number;
  };
  /** The last time a trip rule (or a failed probe) opened it. */
  readonly lastTrip: { readonly atMs: number; readonly reason: string } | null;
  /** How many calls are let out at a time just now; only where a concurrency limit is set. */
  readonly concurrencyLimit?: number;
  /** What the adaptive rule holds for normal; only where one is set. */
  readonly baseline?: BaselineSnapshot;
}

/** The moving averages of the `adaptive` rule. */
export interface BaselineSnapshot {
  readonly calls: number;
  readonly errorRate: number;
  /** The geometric mean. */
  readonly latencyMs: number;
  /** The variance of the latency's base-2 logarithm. */
  readonly latencyVariance: number;
}
