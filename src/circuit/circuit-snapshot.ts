import type { Outcome } from '../classify/outcome.js';
import type { CircuitStateName, RejectionReason } from './names.js';
import type { CircuitMode } from './options/circuit-options.js';
import type { BaselineSnapshot } from './trip/baseline.js';

/** The state and the counts of a circuit, as plain JSON. Times are milliseconds since the epoch, by the wall clock. */
export interface CircuitSnapshot {
  /** The version of this format. */
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
  /** How many handles hold the circuit isolated. */
  readonly isolated: number;
  /** When the state began. */
  readonly sinceMs: number;
  /** How often the circuit has opened since it was last closed. */
  readonly openings: number;
  /** When an open circuit will admit a probe; null in other states. */
  readonly openUntilMs: number | null;
  /** The generation of the permits that are issued now. Each transition, `reset()` and `restore()` begins a new one. */
  readonly generation: number;
  /** Calls admitted and not yet settled. */
  readonly inFlight: number;
  /** The calls in the window. */
  readonly window: {
    /** How many outcomes the window holds. */
    readonly calls: number;
    /** How many of these outcomes are failures or overloads. */
    readonly unhealthy: number;
    /** The share of failures and overloads, 0 to 1; 0 in an empty window. */
    readonly failureRate: number;
    /**
     * The share of calls over the slow threshold, 0 to 1, among the calls whose duration is a latency; null without a slow-rate
     * rule.
     */
    readonly slowRate: number | null;
    /** Latency percentiles over the window, in milliseconds; null if the window is empty or keeps no latencies. */
    readonly latencyMs: {
      /** The median. */
      readonly p50: number;
      /** One call in ten is slower. */
      readonly p90: number;
      /** One call in a hundred is slower. */
      readonly p99: number;
    } | null;
  };
  /** Failures in a row, as the rule `consecutiveFailures()` counts them. */
  readonly consecutiveFailures: number;
  /** Totals since the circuit was made, plus those of a restored snapshot. They only grow. */
  readonly totals: {
    /** Calls that got a permit. */
    readonly admitted: number;
    /** Settled calls by their outcome. */
    readonly outcomes: Readonly<Record<Outcome, number>>;
    /** Calls that were rejected (in mode `observe`: would have been rejected), by reason. */
    readonly rejected: Readonly<Record<RejectionReason, number>>;
    /** Outcomes of permits from an earlier generation, which changed nothing. */
    readonly stale: number;
    /** How often the circuit opened. */
    readonly opened: number;
    /** Failures and overloads that did not count, because another call that was lost with the same connection had counted. */
    readonly correlated: number;
    /** Calls whose duration did not count, because they began before the server's first answer on their connection. */
    readonly connecting: number;
    /** Calls whose duration or time-out did not count, because this process's event loop had stood still. */
    readonly stalled: number;
    /** Failures of calls that were not sent, because there was no connection. */
    readonly notSent: number;
  };
  /** The last opening; null if the circuit has never opened. */
  readonly lastTrip: {
    /** When the circuit opened. */
    readonly atMs: number;
    /** Why: the reason in the transition's event. */
    readonly reason: string;
  } | null;
  /** The present limit of calls in flight; only with a concurrency limit. */
  readonly concurrencyLimit?: number;
  /** The moving averages of the adaptive rule; only with such a rule. */
  readonly baseline?: BaselineSnapshot;
}
