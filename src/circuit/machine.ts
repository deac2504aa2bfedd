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

/** Keeps the state of a circuit, and admits or rejects calls by it. The `MachineCircuit` that holds the machine keeps all else. */
export interface Machine {
  /** The state at this time. An open circuit whose open time is over becomes half-open. */
  look(nowMs: number): CircuitStateName;
  /** Admits or rejects a call, unless the mode or an isolation has decided. */
  decide(priority: Priority): Permit | Rejection;
  /** Whether the outcome of a permit of the present generation still counts. That of a probe counts until the probe is due. */
  takes(permit: CircuitPermit): boolean;
  /**
   * Records the outcome of a permit for which `takes` has just returned true.
   * @param durationMs undefined if the duration is no latency of the server
   * @param isInRow whether no healthy answer has come since the call began: only then is a failure one in a row
   */
  record(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    isInRow: boolean,
  ): void;
  /**
   * Whether only snapshots use the duration of the call that was just admitted, so that the call need not be measured.
   * Absent: every call is measured.
   */
  readonly ignoresDuration?: boolean;
  /** Called in place of `record`: frees the probe's slot, or the share of a ramp, that the permit held. */
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
