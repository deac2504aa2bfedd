import { checkOneOf } from '../checks.js';
import type { Outcome } from '../classify/outcome.js';
import type { Circumstances } from './circumstances.js';
import { type ConcurrencyLimit, createLimit, replaceLimit } from './concurrency.js';
import type { CircuitEnvironment } from './environment.js';
import { type Executor, execute } from './execute.js';
import { Isolation } from './isolation.js';
import type { Losses } from './losses.js';
import type { Machine } from './machine.js';
import { CIRCUIT_MODES } from './options/circuit-options.js';
import type { ResolvedOptions } from './options/resolve.js';
import { CircuitPermit, type PermitOwner, UNRECORDED } from './permit.js';
import { limitFor, type Priority } from './priority.js';
import { canBeMoved, RecoverySeam } from './recovery-seam.js';
import { parseSnapshot } from './restore.js';
import { Totals } from './totals.js';
import { type Entered, reportTransition } from './transition.js';
import type {
  Circuit,
  CircuitMode,
  CircuitOptions,
  CircuitRecovery,
  CircuitSnapshot,
  CircuitStateName,
  ExecuteOptions,
  IsolationHandle,
  Permit,
  Rejection,
  RejectionReason,
} from './types.js';
import { weigh } from './weight.js';

/**
 * The circuit of any engine. A machine keeps the state and decides by it; the circuit keeps everything else: mode, isolation,
 * calls in flight and their limit, totals.
 *
 * Fields are TypeScript's `private`, not `#`: V8 may turn an object with more than a dozen `#` fields into a
 * dictionary, which is twice as large and several times slower (docs/decisions/native-circuit.md).
 */
export class MachineCircuit implements Circuit, Executor, PermitOwner {
  readonly key: string;
  readonly environment: CircuitEnvironment;
  readonly totals = new Totals();
  /** The generation of the permits issued now. Each transition, reset and restore begins a new one. */
  generation = 0;
  options: ResolvedOptions;
  private readonly machine: Machine;
  private limit: ConcurrencyLimit | undefined;
  private currentMode: CircuitMode;
  /** Whether there has been a call of high priority. From then on, other calls leave room for such calls. */
  hasHigh = false;
  /** Made with the first hold: most circuits are never isolated. */
  private isolation: Isolation | undefined;
  /** Calls in flight. */
  private out = 0;
  /** How many of the calls in flight the mode `enforce` would have rejected. */
  private shadows = 0;
  isShort = false;
  /** The number of the last permit that was issued before the last healthy answer came. */
  private answeredUpTo = 0;
  losses: Losses | undefined;

  /** @param machine makes the machine of the circuit */
  constructor(
    key: string,
    options: ResolvedOptions,
    environment: CircuitEnvironment,
    machine: (circuit: MachineCircuit) => Machine,
  ) {
    this.key = key;
    this.environment = environment;
    this.options = options;
    this.limit = createLimit(options.concurrency);
    this.currentMode = options.mode;
    this.machine = machine(this);
  }

  // ---------------------------------------------------------------- the way of a call

  acquire(priority: Priority = 'normal'): Permit | Rejection {
    if (this.currentMode === 'off') return UNRECORDED;
    if (this.isolation !== undefined && this.isolation.holds > 0) return this.refuse('ISOLATED', 0);
    if (priority === 'high') this.hasHigh = true;
    return this.machine.decide(priority);
  }

  /** Called by the machine: the call gets a permit. */
  admit(kind: 'call' | 'probe'): CircuitPermit {
    this.totals.admitted += 1;
    this.out += 1;
    return new CircuitPermit(this, this.generation, kind, this.totals.admitted);
  }

  /** Called by the machine: the call is rejected; in the mode `observe` it gets a shadow permit. */
  refuse(reason: RejectionReason, retryAfterMs: number): Permit | Rejection {
    this.totals.rejected(reason);
    if (this.currentMode === 'enforce') return { admitted: false, reason, retryAfterMs };
    this.out += 1;
    this.shadows += 1;
    return new CircuitPermit(this, this.generation, 'shadow', this.totals.admitted);
  }

  /** Whether the concurrency limit has no room for one more call of this priority. */
  isCrowded(priority: Priority): boolean {
    if (this.limit === undefined) return false;
    return this.out - this.shadows >= limitFor(this.limit.limit, priority, this.hasHigh);
  }

  settled(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    circumstances: Circumstances | undefined,
  ): void {
    this.out -= 1;
    if (permit.kind === 'shadow') this.shadows -= 1;
    else if (this.currentMode === 'off') {
      this.limit?.discounted();
      if (this.isCurrent(permit)) this.machine.giveBack();
      // `isCurrent()`, written out, because every call comes here
    } else if (permit.generation === this.generation && this.machine.takes(permit)) {
      this.totals.settled(outcome);
      if (circumstances === undefined) {
        this.limit?.settled(outcome, durationMs, this.out - this.shadows);
        this.record(permit, outcome, durationMs, pushbackMs);
      } else this.settledUnder(circumstances, permit, outcome, durationMs, pushbackMs);
    } else {
      this.totals.stale += 1;
      this.limit?.discounted();
    }
  }

  private settledUnder(
    circumstances: Circumstances,
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
  ): void {
    const weight = weigh(this, circumstances, permit, outcome);
    if (weight === 'none') {
      this.limit?.discounted();
      this.machine.record('ignored', undefined, undefined, false);
      return;
    }
    const latencyMs = weight === 'full' ? durationMs : undefined;
    this.limit?.settled(outcome, latencyMs, this.out - this.shadows);
    this.record(permit, outcome, latencyMs, pushbackMs);
  }

  private record(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
  ): void {
    const isInRow = permit.number > this.answeredUpTo;
    if (outcome === 'success' || outcome === 'caller-error') this.answeredUpTo = this.totals.admitted;
    this.machine.record(outcome, durationMs, pushbackMs, isInRow);
  }

  /** For the reason of a trip: how many lost calls counted as a single failure. */
  lossRemark(nowMs: number): string {
    return this.losses?.remark(nowMs) ?? '';
  }

  private isCurrent(permit: CircuitPermit): boolean {
    return permit.generation === this.generation && this.machine.takes(permit);
  }

  get needsDuration(): boolean {
    return this.limit !== undefined || this.machine.ignoresDuration !== true;
  }

  execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T> {
    return execute(this, this.environment.clock, fn, options);
  }

  // ---------------------------------------------------------------- what the machine reports

  /** Called by the machine when it has changed its state: earlier permits are now stale. A return to the same state is no event. */
  entered(from: CircuitStateName, to: Entered, reason: string, openings: number): void {
    this.generation += 1;
    if (from !== to.name) reportTransition(this, from, to, reason, openings);
  }

  /** How far the epoch is ahead of the monotonic clock. Turns the times of a state into times that may leave the process. */
  aheadMs(nowMs: number): number {
    return this.environment.clock.epochMs() - nowMs;
  }

  /** Called by a machine that was reconfigured: puts its new options in force. */
  adopt(old: ResolvedOptions, options: ResolvedOptions): void {
    this.options = options;
    this.limit = replaceLimit(this.limit, old.concurrency, options.concurrency);
    if (options.mode !== old.mode) this.currentMode = options.mode;
  }

  // ---------------------------------------------------------------- beside the state

  get state(): CircuitStateName {
    return this.machine.look(this.environment.clock.now());
  }

  get mode(): CircuitMode {
    return this.currentMode;
  }

  set mode(mode: CircuitMode) {
    this.currentMode = checkOneOf('circuit.mode', mode, CIRCUIT_MODES);
  }

  get inFlight(): number {
    return this.out;
  }

  get isolated(): number {
    return this.isolation?.holds ?? 0;
  }

  isolate(): IsolationHandle {
    this.isolation ??= new Isolation(this.key, this.environment);
    return this.isolation.hold();
  }

  reset(): void {
    this.machine.reset();
    this.limit?.reset();
  }

  // ---------------------------------------------------------------- readiness checks and synthetic probes

  get recovery(): CircuitRecovery | undefined {
    const { machine } = this;
    return canBeMoved(machine) ? new RecoverySeam(this, machine) : undefined;
  }

  // ---------------------------------------------------------------- snapshots and settings

  snapshot(): CircuitSnapshot {
    const nowMs = this.environment.clock.now();
    this.machine.look(nowMs);
    const aheadMs = this.aheadMs(nowMs);
    return {
      version: 1,
      circuitKey: this.key,
      takenAtMs: nowMs + aheadMs,
      mode: this.currentMode,
      isolated: this.isolated,
      generation: this.generation,
      inFlight: this.out,
      totals: this.totals.snapshot(),
      ...this.machine.describe(nowMs, aheadMs),
      ...(this.limit && { concurrencyLimit: this.limit.limit }),
    };
  }

  restore(snapshot: unknown, field?: string): void {
    this.machine.restore(parseSnapshot(snapshot, field));
  }

  reconfigure(options: CircuitOptions): void {
    this.machine.reconfigure(options);
  }

  close(): void {
    this.machine.close?.();
  }
}
