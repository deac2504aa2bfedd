import type { Outcome } from '../classify/outcome.js';
import type { CircuitStateName, RejectionReason } from './names.js';
import type { CircuitMode } from './options/circuit-options.js';
import type { BaselineSnapshot } from './trip/baseline.js';

/** Everything a circuit knows, as plain JSON. Times are milliseconds since the epoch, by the wall clock. */
export interface CircuitSnapshot {
  /** Of the format. */
  readonly version: 1;
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The name of the engine that made the circuit. */
  readonly engine: string;
  /** When the snapshot was taken. */
  readonly takenAtMs: number;
  /** The state at that moment. */
  readonly state: CircuitStateName;
  /** Whether the circuit rejects calls, only reports, or does nothing. */
  readonly mode: CircuitMode;
  /** Handles that hold it isolated. */
  readonly isolated: number;
  /** Since when it is in its state. */
  readonly sinceMs: number;
  /** How often it has opened since it was last closed. */
  readonly openings: number;
  /** When an open circuit will admit a probe; null in other states. */
  readonly openUntilMs: number | null;
  /** How many transitions there were. */
  readonly generation: number;
  /** Calls admitted and not yet settled. */
  readonly inFlight: number;
  /** What the window holds. */
  readonly window: {
    /** Outcomes in it. */
    readonly calls: number;
    /** Those of them that are failures or overloads. */
    readonly unhealthy: number;
    /** Their share, 0 to 1; 0 in an empty window. */
    readonly failureRate: number;
    /** Share over the slow threshold, of the calls whose duration is a latency; null where no slow-rate rule is set. */
    readonly slowRate: number | null;
    /** Latency percentiles over the window; null when it is empty or keeps no latencies. */
    readonly latencyMs: {
      /** The median. */
      readonly p50: number;
      /** One call in ten is slower. */
      readonly p90: number;
      /** One call in a hundred is slower. */
      readonly p99: number;
    } | null;
  };
  /** Failures since the last outcome that was none. */
  readonly consecutiveFailures: number;
  /** Totals since the circuit was made (or `restore`d): they only grow. */
  readonly totals: {
    /** Calls that got a permit. */
    readonly admitted: number;
    /** Settled calls by their outcome. */
    readonly outcomes: Readonly<Record<Outcome, number>>;
    /** Calls that were not admitted, by the reason. */
    readonly rejected: Readonly<Record<RejectionReason, number>>;
    /** Outcomes of permits from an earlier generation, which changed nothing. */
    readonly stale: number;
    /** How often the circuit opened. */
    readonly opened: number;
    /** Failures and overloads that counted nothing more, because a call that was lost with the same connection had counted. */
    readonly correlated: number;
    /** Calls whose duration was left out, because they began before the server's first answer on its connection. */
    readonly connecting: number;
    /** Calls whose duration or time-out counted nothing, because this process's event loop had stood still. */
    readonly stalled: number;
    /** Failures of calls that were not sent, because there was no connection. */
    readonly notSent: number;
  };
  /** The last time a trip rule (or a failed probe) opened it. */
  readonly lastTrip: {
    /** When it opened. */
    readonly atMs: number;
    /** Why, as the transition's event had it. */
    readonly reason: string;
  } | null;
  /** How many calls are let out at a time just now; only where a concurrency limit is set. */
  readonly concurrencyLimit?: number;
  /** What the adaptive rule holds for normal; only where one is set. */
  readonly baseline?: BaselineSnapshot;
}
