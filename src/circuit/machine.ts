import type { Outcome } from '../classify/outcome.js';
import type { CircuitPermit } from './permit.js';
import type { Priority } from './priority.js';
import type { RestorableSnapshot } from './restore.js';
import type { CircuitOptions, CircuitSnapshot, CircuitStateName, Permit, Rejection } from './types.js';

/** The machine's part of a snapshot. */
export type MachineSnapshot = Pick<
  CircuitSnapshot,
  | 'engine'
  | 'state'
  | 'sinceMs'
  | 'openings'
  | 'openUntilMs'
  | 'window'
  | 'consecutiveFailures'
  | 'lastTrip'
  | 'baseline'
>;

/** Decides about calls by their outcomes. What lies beside the state belongs to the circuit that holds it. */
export interface Machine {
  /** Lets time pass: an open circuit whose time is over becomes half-open. */
  look(nowMs: number): CircuitStateName;
  /** Admits or rejects a call, unless the mode or an isolation has decided. */
  decide(priority: Priority): Permit | Rejection;
  /** Whether the outcome of a permit of the present generation still counts; a probe's does until it is due. */
  takes(permit: CircuitPermit): boolean;
  /**
   * The outcome of a permit that it has just taken.
   * @param durationMs undefined where the duration is no latency of the server
   * @param isInRow whether no healthy answer has come since the call began: only then a failure is one in a row
   */
  record(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    isInRow: boolean,
  ): void;
  /**
   * Whether only a snapshot would show the duration of the call that it has just let through, so that it can do without.
   * Absent: it cannot.
   */
  readonly ignoresDuration?: boolean;
  /** In place of `record`: the slot of a probe, or the share of a ramp, that the permit held is free again. */
  giveBack(): void;
  reset(): void;
  /** @param aheadMs how far the epoch is ahead of the monotonic clock */
  describe(nowMs: number, aheadMs: number): MachineSnapshot;
  /** @throws FailsoftError FAILSOFT_UNSUPPORTED */
  restore(known: RestorableSnapshot): void;
  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or FAILSOFT_UNSUPPORTED */
  reconfigure(options: CircuitOptions): void;
  /** Releases listeners and timers. */
  close?(): void;
}
