import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import { Evidence } from './evidence.js';
import type { MachineSnapshot } from './machine.js';
import type { MachineCircuit } from './machine-circuit.js';
import { callersFromMs, endedByReady, heldByNotReady, type OpenState } from './open-state.js';
import { cappedPushbackMs } from './open-time.js';
import { newSettings, type Settings } from './options/settings.js';
import { Outage } from './outage.js';
import type { CircuitPermit } from './permit.js';
import type { Priority } from './priority.js';
import { Probes } from './probes.js';
import { Ramp } from './ramp.js';
import type { MovableMachine } from './recovery-seam.js';
import { type RestorableSnapshot, restoredState } from './restore.js';
import type { State } from './state.js';
import type { CircuitOptions, CircuitStateName, Permit, Rejection } from './types.js';

/** Whether this state came about because a readiness check found the server ready. */
function wasReady(state: State): boolean {
  return state.name === 'half-open' ? state.probes.afterReady : 'isReady' in state && state.isReady === true;
}

/** The state table of docs/semantics.md. Without a timer: what is due happens when a call comes or the state is read. */
export class NativeMachine implements MovableMachine {
  private readonly circuit: MachineCircuit;
  private settings: Settings;
  private current: State;
  private readonly evidence: Evidence;
  /** Made with the first opening or push-back: most circuits have none. */
  private outage: Outage | undefined;

  constructor(circuit: MachineCircuit, settings: Settings) {
    const nowMs = circuit.environment.clock.now();
    this.circuit = circuit;
    this.settings = settings;
    this.current = { name: 'closed', sinceMs: nowMs };
    this.evidence = new Evidence(settings, nowMs);
  }

  // ---------------------------------------------------------------- the way of a call

  decide(priority: Priority): Permit | Rejection {
    const { circuit } = this;
    // a closed circuit does not read the clock
    if (this.current.name === 'closed') return this.letThrough(priority);
    const nowMs = circuit.environment.clock.now();
    const state = this.lookAt(nowMs);
    switch (state.name) {
      case 'closed':
        return this.letThrough(priority);
      case 'open':
        return circuit.refuse('CIRCUIT_OPEN', callersFromMs(state) - nowMs);
      case 'half-open': {
        const { probes } = state;
        const callersAtMs = probes.callersFromMs;
        if (nowMs < callersAtMs) return circuit.refuse('HALF_OPEN', callersAtMs - nowMs);
        if (circuit.isCrowded(priority)) return circuit.refuse('CONCURRENCY_LIMIT', 0);
        return this.admitProbe(probes, nowMs);
      }
      case 'recovering':
        if (circuit.isCrowded(priority)) return circuit.refuse('CONCURRENCY_LIMIT', 0);
        if (state.ramp.admits(nowMs, priority, circuit.hasHigh)) return circuit.admit('call');
        return circuit.refuse('RECOVERING', state.ramp.retryAfterMs(nowMs));
    }
  }

  private letThrough(priority: Priority): Permit | Rejection {
    const { circuit } = this;
    return circuit.isCrowded(priority) ? circuit.refuse('CONCURRENCY_LIMIT', 0) : circuit.admit('call');
  }

  private admitProbe(probes: Probes, nowMs: number): Permit {
    const probe = this.circuit.admit('probe');
    probes.add(probe, nowMs);
    return probe;
  }

  takes(permit: CircuitPermit): boolean {
    if (this.current.name === 'closed') return true;
    const state = this.pass(this.circuit.environment.clock.now());
    if (permit.generation !== this.circuit.generation) return false;
    return state.name !== 'half-open' || state.probes.take(permit);
  }

  record(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    isInRow: boolean,
  ): void {
    const { current: state, settings } = this;
    const unhealthy = isUnhealthy(outcome);
    if (unhealthy && pushbackMs !== undefined) this.addPushback(pushbackMs);
    if (state.name === 'half-open') {
      this.recordProbe(state.probes, outcome, durationMs);
    } else if (outcome !== 'ignored') {
      const { clock } = this.circuit.environment;
      // only a time window needs the time, and to read the clock costs as much as all the rest
      const nowMs = settings.options.window.type === 'time' ? clock.now() : 0;
      const reason = this.evidence.record(settings, outcome, unhealthy, isInRow, durationMs, nowMs);
      if (reason !== undefined) this.trip(reason, clock.now());
      else if (state.name === 'recovering') this.grow(state.ramp, outcome, durationMs, clock.now());
    } else if (state.name === 'recovering') {
      state.ramp.giveBack();
    }
  }

  private trip(reason: string, atMs: number): void {
    this.open(reason + this.circuit.lossRemark(atMs), atMs);
  }

  /** Records in the ramp an answer on which no trip rule fired. */
  private grow(
    ramp: Ramp,
    outcome: Exclude<Outcome, 'ignored'>,
    durationMs: number | undefined,
    nowMs: number,
  ): void {
    ramp.record(outcome, durationMs, this.settings.slowProbeMs, nowMs);
    if (ramp.isOver) this.closeCircuit('no call was refused any more', nowMs);
  }

  private recordProbe(probes: Probes, outcome: Outcome, durationMs: number | undefined): void {
    if (outcome === 'ignored') probes.giveBack();
    else this.judge(probes, probes.count(outcome, durationMs), this.circuit.environment.clock.now());
  }

  private addPushback(pushbackMs: number): void {
    const cappedMs = cappedPushbackMs(this.settings.options.open, pushbackMs);
    if (cappedMs === 0) return;
    this.outage ??= new Outage();
    this.outage.addPushback(this.circuit.environment.clock.now() + cappedMs);
  }

  get ignoresDuration(): boolean {
    return this.current.name === 'closed' && !this.settings.goesByDurations;
  }

  giveBack(): void {
    const state = this.current;
    if (state.name === 'half-open') state.probes.giveBack();
    else if (state.name === 'recovering') state.ramp.giveBack();
  }

  // ---------------------------------------------------------------- the state machine

  /** The only place that changes the state. */
  private transition(state: State, reason: string): void {
    const from = this.current.name;
    this.current = state;
    this.circuit.entered(from, state, reason, this.outage?.openings ?? 0);
  }

  look(nowMs: number): CircuitStateName {
    return this.lookAt(nowMs).name;
  }

  /** The state for a caller or a reader: an open circuit whose open time is over becomes half-open. */
  private lookAt(nowMs: number): State {
    const { current } = this;
    // the most frequent case first: open, and its time is not over
    if (current.name === 'open' && nowMs < callersFromMs(current)) return current;
    for (;;) {
      const state = this.pass(nowMs);
      if (state.name !== 'open' || nowMs < callersFromMs(state)) return state;
      this.halfOpen(state, nowMs);
    }
  }

  private halfOpen({ isReady = false }: OpenState, nowMs: number): void {
    const { options, slowProbeMs } = this.settings;
    const probes = new Probes(options.halfOpen, slowProbeMs, isReady);
    const reason = isReady ? 'the server is ready' : 'open time is over';
    this.transition({ name: 'half-open', sinceMs: nowMs, probes }, reason);
  }

  /** Does what is due by now, with the time at which it was due. */
  private pass(nowMs: number): State {
    for (;;) {
      const state = this.current;
      if (state.name === 'half-open') {
        const dueMs = state.probes.firstDueMs;
        if (nowMs < dueMs) return state;
        state.probes.expireFirst();
        this.judge(state.probes, 'timed out', dueMs);
      } else if (state.name === 'recovering') {
        const { endMs } = state.ramp;
        if (nowMs < endMs) return state;
        this.closeCircuit('ramp is over', endMs);
      } else return state;
    }
  }

  private judge(probes: Probes, how: string, atMs: number): void {
    const verdict = probes.verdict;
    if (verdict === 'failed') this.open(probes.failedReason(how), atMs);
    if (verdict === 'recovered') this.recover(probes, atMs);
  }

  private open(reason: string, atMs: number): void {
    const { circuit } = this;
    const { clock, random } = circuit.environment;
    this.outage ??= new Outage();
    const { outage } = this;
    // the last "ready" was wrong: the next one is trusted only after a "not ready"
    if (wasReady(this.current)) outage.trustsReady = false;
    circuit.totals.opened += 1;
    outage.lastTrip = { atMs: atMs + circuit.aheadMs(clock.now()), reason };
    const untilMs = outage.begin(this.settings.options.open, atMs, random);
    this.transition({ name: 'open', sinceMs: atMs, untilMs }, reason);
  }

  private recover({ successes, afterReady }: Probes, atMs: number): void {
    this.evidence.clear();
    const { recovering } = this.settings.options;
    const reason = successes === 1 ? 'the probe succeeded' : `${successes} probes succeeded`;
    if (recovering === false) this.closeCircuit(reason, atMs);
    else {
      const ramp = new Ramp(recovering, atMs, successes);
      this.transition({ name: 'recovering', sinceMs: atMs, ramp, isReady: afterReady }, reason);
    }
  }

  private closeCircuit(reason: string, atMs: number): void {
    this.outage?.end();
    this.transition({ name: 'closed', sinceMs: atMs }, reason);
  }

  reset(): void {
    const nowMs = this.circuit.environment.clock.now();
    this.pass(nowMs);
    this.evidence.reset(this.settings);
    this.outage?.reset();
    this.transition({ name: 'closed', sinceMs: nowMs }, 'reset');
  }

  // ---------------------------------------------------------------- readiness checks and synthetic probes

  openUntilMs(): number | undefined {
    const state = this.pass(this.circuit.environment.clock.now());
    return state.name === 'open' ? state.untilMs : undefined;
  }

  ready(): void {
    const { current: state, outage } = this;
    if (state.name !== 'open' || outage?.trustsReady === false) return;
    const pushbackMs = outage?.pushbackUntilMs(this.settings.options.open, state.sinceMs) ?? 0;
    this.current = endedByReady(state, this.circuit.environment.clock.now(), pushbackMs);
  }

  notReady(untilMs: number, maxHoldMs: number): void {
    const { current: state, outage } = this;
    if (state.name !== 'open') return;
    if (outage !== undefined) outage.trustsReady = true;
    this.current = heldByNotReady(state, untilMs, maxHoldMs);
  }

  reserveProbes(forMs: number): void {
    const state = this.current;
    if (state.name === 'open') this.current = { ...state, reservedMs: forMs };
    else if (state.name === 'half-open')
      state.probes.reservedUntilMs = this.circuit.environment.clock.now() + forMs;
  }

  acquireProbe(reserveMs: number): Permit | undefined {
    const { circuit } = this;
    const nowMs = circuit.environment.clock.now();
    const before = this.pass(nowMs);
    if (before.name === 'open' && nowMs >= before.untilMs) this.halfOpen(before, nowMs);
    const state = this.current;
    if (state.name !== 'half-open' || state.probes.full || circuit.isCrowded('normal')) return undefined;
    state.probes.reservedUntilMs = nowMs + reserveMs;
    return this.admitProbe(state.probes, nowMs);
  }

  // ---------------------------------------------------------------- settings and snapshots

  reconfigure(options: CircuitOptions): void {
    const old = this.settings;
    const settings = newSettings(options, old);
    const nowMs = this.circuit.environment.clock.now();
    // what was due before now still goes by the old settings
    this.pass(nowMs);
    this.settings = settings;
    this.evidence.reconfigure(old, settings, nowMs);
    this.circuit.adopt(old.options, settings.options);
  }

  describe(nowMs: number, aheadMs: number): MachineSnapshot {
    const { current } = this;
    return {
      engine: 'native',
      state: current.name,
      sinceMs: current.sinceMs + aheadMs,
      openings: this.outage?.openings ?? 0,
      openUntilMs: current.name === 'open' ? current.untilMs + aheadMs : null,
      lastTrip: this.outage?.lastTrip ?? null,
      ...this.evidence.snapshot(this.settings, nowMs),
    };
  }

  restore(known: RestorableSnapshot): void {
    const { circuit } = this;
    const nowMs = circuit.environment.clock.now();
    this.pass(nowMs);
    this.evidence.restore(known.baseline);
    circuit.totals.add(known.totals);
    const state = restoredState(known, this.settings.options, nowMs, circuit.aheadMs(nowMs));
    const openings = state.name === 'closed' ? 0 : known.openings;
    if (openings > 0 || known.lastTrip !== null) this.outage ??= new Outage();
    this.outage?.restore(openings, known.lastTrip);
    this.transition(state, 'restored');
  }
}
