import { consecutiveAfter } from '../../circuit/evidence.js';
import type { Machine, MachineSnapshot } from '../../circuit/machine.js';
import type { MachineCircuit } from '../../circuit/machine-circuit.js';
import { type CircuitPermit, UNRECORDED } from '../../circuit/permit.js';
import type { Priority } from '../../circuit/priority.js';
import { Probes } from '../../circuit/probes.js';
import type { State } from '../../circuit/state.js';
import type { CircuitSnapshot, CircuitStateName, Permit, Rejection } from '../../circuit/types.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import { FailsoftError } from '../../errors.js';
import { type CallReport, FailedCall, reportOf } from './call-report.js';
import { Causes } from './causes.js';
import { ClockedBreaker } from './clocked-breaker.js';
import type { BreakerSettings } from './settings.js';
import { windowSnapshot } from './window-snapshot.js';

/** The states of a circuit without a ramp. `name` is always the state of the breaker. */
type BreakerState = Exclude<State, { readonly name: 'recovering' }>;

/**
 * A machine whose state is that of an opossum breaker. opossum counts and decides; this class keeps from opossum what must not
 * count: permits of an earlier generation, cancelled and hung probes, a second probe.
 */
export class OpossumMachine implements Machine {
  readonly breaker: ClockedBreaker;
  readonly #circuit: MachineCircuit;
  readonly #settings: BreakerSettings;
  readonly #causes: Causes;
  #state: BreakerState;
  #openings = 0;
  #consecutiveFailures = 0;
  #lastTrip: CircuitSnapshot['lastTrip'] = null;
  #isClosed = false;

  constructor(circuit: MachineCircuit, settings: BreakerSettings) {
    const { clock } = circuit.environment;
    this.#circuit = circuit;
    this.#settings = settings;
    this.#causes = new Causes(clock);
    this.#state = { name: 'closed', sinceMs: clock.now() };
    this.breaker = new ClockedBreaker(circuit.key, settings, circuit.environment);
    this.breaker.beforeRead = () => this.#pass(clock.now());
    this.breaker.on('open', () => this.#opened());
    this.breaker.on('halfOpen', () => this.#halfOpened());
    this.breaker.on('close', () => this.#recovered());
  }

  // ---------------------------------------------------------------- the way of a call

  decide(priority: Priority): Permit | Rejection {
    if (this.#isClosed) return UNRECORDED;
    const { breaker } = this;
    const circuit = this.#circuit;
    if (breaker.isShutdown) return circuit.refuse('ISOLATED', 0);
    if (!breaker.enabled) return circuit.admit('call');
    const nowMs = circuit.environment.clock.now();
    const state = this.#pass(nowMs);
    if (state.name === 'open') {
      breaker.reject();
      return circuit.refuse('CIRCUIT_OPEN', state.untilMs - nowMs);
    }
    if (state.name === 'half-open' && state.probes.full) {
      breaker.reject();
      return circuit.refuse('HALF_OPEN', state.probes.firstDueMs - nowMs);
    }
    if (circuit.isCrowded(priority)) {
      breaker.rejectForCapacity();
      return circuit.refuse('CONCURRENCY_LIMIT', 0);
    }
    if (state.name === 'closed') return circuit.admit('call');
    const permit = circuit.admit('probe');
    state.probes.add(permit, nowMs);
    breaker.probing = true;
    return permit;
  }

  takes(permit: CircuitPermit): boolean {
    const state = this.#pass(this.#circuit.environment.clock.now());
    if (permit.generation !== this.#circuit.generation || this.#isClosed) return false;
    return state.name === 'half-open' ? state.probes.take(permit) : state.name === 'closed';
  }

  record(
    outcome: Outcome,
    durationMs: number | undefined,
    _pushbackMs: number | undefined,
    isInRow: boolean,
  ): void {
    if (outcome === 'ignored') {
      this.#freeProbe();
      return;
    }
    this.#consecutiveFailures = consecutiveAfter(this.#consecutiveFailures, outcome, isInRow);
    const ended = isUnhealthy(outcome) ? 'failed' : 'succeeded';
    const reason = this.#state.name === 'closed' ? undefined : `the probe ${ended}`;
    this.#report(reportOf(outcome, durationMs ?? 0), reason, this.#circuit.environment.clock.now());
  }

  giveBack(): void {
    this.#freeProbe();
  }

  #freeProbe(): void {
    if (this.#state.name !== 'half-open') return;
    this.#state.probes.giveBack();
    this.breaker.probing = false;
  }

  #report(report: CallReport, reason: string | undefined, atMs: number): void {
    const before = this.#state;
    if (this.breaker.enabled && !this.breaker.isShutdown) {
      this.#causes.during(reason, atMs, () => this.breaker.report(report));
    }
    // opossum does not judge a probe during its warm-up or while it is disabled
    if (this.#state === before) this.#freeProbe();
  }

  // ---------------------------------------------------------------- the state, by opossum's events

  look(nowMs: number): CircuitStateName {
    return this.#pass(nowMs).name;
  }

  /** Does what is due by now, in the place of opossum's timers. */
  #pass(nowMs: number): BreakerState {
    for (;;) {
      const state = this.#state;
      if (this.#isClosed || this.breaker.isShutdown || this.#causes.isChanging) return state;
      if (state.name === 'open' && nowMs >= state.untilMs) {
        this.#causes.during('open time is over', nowMs, () => this.breaker.halfOpenNow());
      } else if (state.name === 'half-open') {
        const dueMs = state.probes.firstDueMs;
        if (nowMs < dueMs) return state;
        state.probes.expireFirst();
        const { probeTimeoutMs } = this.#settings.circuit.options.halfOpen;
        const report = new FailedCall('failure', probeTimeoutMs, 'the probe timed out');
        this.#report(report, report.message, dueMs);
      } else {
        return state;
      }
    }
  }

  #opened(): void {
    const { atMs, reason } = this.#causes.present(() => this.#tripReason());
    const circuit = this.#circuit;
    this.#openings += 1;
    circuit.totals.opened += 1;
    this.#lastTrip = { atMs: atMs + circuit.aheadMs(circuit.environment.clock.now()), reason };
    this.#transition({ name: 'open', sinceMs: atMs, untilMs: atMs + this.#settings.openMs }, reason);
  }

  #halfOpened(): void {
    const { atMs, reason } = this.#causes.present(() => 'opossum');
    const probes = new Probes(this.#settings.circuit.options.halfOpen, Number.POSITIVE_INFINITY);
    this.#transition({ name: 'half-open', sinceMs: atMs, probes }, reason);
  }

  #recovered(): void {
    const { atMs, reason } = this.#causes.present(() => 'opossum');
    this.#openings = 0;
    this.#forgetCalls();
    this.#transition({ name: 'closed', sinceMs: atMs }, reason);
  }

  #tripReason(): string {
    const { calls, failureRate } = windowSnapshot(this.breaker.stats);
    const remark = this.#circuit.lossRemark(this.#circuit.environment.clock.now());
    return `failure-rate ${failureRate.toFixed(2)} ${this.#settings.threshold} over ${calls} calls${remark}`;
  }

  #transition(state: BreakerState, reason: string): void {
    const from = this.#state.name;
    this.#state = state;
    this.#circuit.entered(from, state, reason, this.#openings);
  }

  #forgetCalls(): void {
    this.breaker.clearWindow();
    this.#consecutiveFailures = 0;
  }

  reset(): void {
    const nowMs = this.#circuit.environment.clock.now();
    this.#pass(nowMs);
    this.#forgetCalls();
    if (this.#state.name === 'closed') this.#transition(this.#state, 'reset');
    else this.#causes.during('reset', nowMs, () => this.breaker.close());
  }

  /** Shuts the breaker down: its listeners and timers end. From now on every call is admitted. */
  close(): void {
    this.#isClosed = true;
    this.breaker.shutdown();
  }

  // ---------------------------------------------------------------- snapshots

  describe(_nowMs: number, aheadMs: number): MachineSnapshot {
    const state = this.#state;
    return {
      engine: 'opossum',
      state: state.name,
      sinceMs: state.sinceMs + aheadMs,
      openings: this.#openings,
      openUntilMs: state.name === 'open' ? state.untilMs + aheadMs : null,
      window: windowSnapshot(this.breaker.stats),
      consecutiveFailures: this.#consecutiveFailures,
      lastTrip: this.#lastTrip,
    };
  }

  restore(): void {
    throw unsupported('restore()');
  }

  reconfigure(): void {
    throw unsupported('reconfigure()');
  }
}

function unsupported(method: string): FailsoftError {
  return new FailsoftError('FAILSOFT_UNSUPPORTED', `${method}: engine opossum does not support it`);
}
