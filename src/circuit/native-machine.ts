import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import { Evidence } from './evidence.js';
import type { MachineSnapshot } from './machine.js';
import type { MachineCircuit } from './machine-circuit.js';
import { cappedPushbackMs, openTimeMs } from './open-time.js';
import { newSettings, type Settings } from './options/settings.js';
import type { CircuitPermit } from './permit.js';
import type { Priority } from './priority.js';
import { Probes } from './probes.js';
import { Ramp } from './ramp.js';
import type { MovableMachine } from './recovery-seam.js';
import { type RestorableSnapshot, restoredState } from './restore.js';
import type { State } from './state.js';
import { ms } from './trip/rule.js';
import type { CircuitOptions, CircuitSnapshot, CircuitStateName, Permit, Rejection } from './types.js';

type OpenState = Extract<State, { readonly name: 'open' }>;

/** When a caller may be a probe. */
function callersFromMs({ untilMs, reservedMs = 0 }: OpenState): number {
  return untilMs + reservedMs;
}

/** Whether a check, which said that the server is ready, led to this state. */
function wasReady(state: State): boolean {
  return state.name === 'half-open' ? state.probes.afterReady : 'isReady' in state && state.isReady === true;
}

/** What an outcome other than a success is to a ramp. */
const RAMP_ANSWERS = {
  'caller-error': 'healthy',
  failure: 'failed',
  overload: 'overloaded',
  ignored: 'healthy',
} as const;

/** The state table of docs/semantics.md. It has no timer: time passes when a call comes or the state is read. */
export class NativeMachine implements MovableMachine {
  private readonly circuit: MachineCircuit;
  private settings: Settings;
  private current: State;
  private readonly evidence: Evidence;
  private openings = 0;
  /** The end of the longest push-back of the server so far. */
  private pushbackUntilMs = 0;
  /** Whether an answer of a readiness check may end an open time. */
  private trustsReady = true;
  private lastTrip: CircuitSnapshot['lastTrip'] = null;

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
        if (probes.full) return circuit.refuse('HALF_OPEN', probes.firstDueMs - nowMs);
        if (nowMs < probes.reservedUntilMs)
          return circuit.refuse('HALF_OPEN', Math.min(probes.firstDueMs, probes.reservedUntilMs) - nowMs);
        if (circuit.isCrowded(priority)) return circuit.refuse('CONCURRENCY_LIMIT', 0);
        const probe = circuit.admit(true);
        probes.add(probe, nowMs);
        return probe;
      }
      case 'recovering':
        if (circuit.isCrowded(priority)) return circuit.refuse('CONCURRENCY_LIMIT', 0);
        if (state.ramp.admits(nowMs, priority, circuit.hasHigh)) return circuit.admit(false);
        return circuit.refuse('RECOVERING', state.ramp.retryAfterMs(nowMs));
    }
  }

  private letThrough(priority: Priority): Permit | Rejection {
    const { circuit } = this;
    return circuit.isCrowded(priority) ? circuit.refuse('CONCURRENCY_LIMIT', 0) : circuit.admit(false);
  }

  takes(permit: CircuitPermit): boolean {
    if (this.current.name === 'closed') return true;
    const state = this.pass(this.circuit.environment.clock.now());
    if (permit.generation !== this.circuit.generation) return false;
    return state.name !== 'half-open' || state.probes.take(permit);
  }

  record(outcome: Outcome, durationMs: number | undefined, pushbackMs: number | undefined): void {
    const { current: state, settings } = this;
    const unhealthy = isUnhealthy(outcome);
    if (unhealthy && pushbackMs !== undefined) this.rememberPushback(pushbackMs);
    if (state.name === 'half-open') {
      this.recordProbe(state.probes, outcome, durationMs);
    } else if (outcome !== 'ignored') {
      const { clock } = this.circuit.environment;
      // reading it costs as much as all the rest
      const nowMs = settings.options.window.type === 'time' ? clock.now() : 0;
      const reason = this.evidence.record(settings, outcome, unhealthy, durationMs, nowMs);
      if (reason !== undefined) this.trip(reason, clock.now());
      else if (state.name === 'recovering') this.grow(state.ramp, outcome, durationMs, clock.now());
    } else if (state.name === 'recovering') {
      state.ramp.giveBack();
    }
  }

  private trip(reason: string, atMs: number): void {
    this.open(reason + this.circuit.lossRemark(atMs), atMs);
  }

  /** The ramp goes by the answers that tripped nothing. */
  private grow(ramp: Ramp, outcome: Outcome, durationMs: number | undefined, nowMs: number): void {
    if (outcome === 'success') {
      const slow = durationMs !== undefined && durationMs > this.settings.slowProbeMs;
      ramp.answered(slow ? 'slow' : 'healthy', durationMs, nowMs);
    } else {
      ramp.answered(RAMP_ANSWERS[outcome], undefined, nowMs);
    }
    if (ramp.isOver) this.closeCircuit('no call was refused any more', nowMs);
  }

  private recordProbe(probes: Probes, outcome: Outcome, durationMs = 0): void {
    if (outcome === 'ignored') {
      probes.giveBack();
      return;
    }
    const unhealthy = isUnhealthy(outcome);
    const slow = durationMs > probes.slowMs;
    probes.count(!unhealthy && !slow);
    const how = unhealthy ? 'failed' : `took ${ms(durationMs)}, over ${ms(probes.slowMs)}`;
    this.judge(probes, how, this.circuit.environment.clock.now());
  }

  private rememberPushback(pushbackMs: number): void {
    const cappedMs = cappedPushbackMs(this.settings.options.open, pushbackMs);
    if (cappedMs === 0) return;
    this.pushbackUntilMs = Math.max(this.pushbackUntilMs, this.circuit.environment.clock.now() + cappedMs);
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
    this.circuit.entered(from, state, reason, this.openings);
  }

  look(nowMs: number): CircuitStateName {
    return this.lookAt(nowMs).name;
  }

  /** A caller or a reader looks: an open circuit whose time is over becomes half-open. */
  private lookAt(nowMs: number): State {
    const { current } = this;
    // the commonest case first: open, and its time not over
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

  /** Lets time pass: does what is due by now, as of the moment that it was due. */
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
    const { open } = this.settings.options;
    // the server said that it was ready, and was not: its next "ready" is believed only after a "not ready"
    if (wasReady(this.current)) this.trustsReady = false;
    this.openings += 1;
    circuit.totals.opened += 1;
    this.lastTrip = { atMs: atMs + circuit.aheadMs(clock.now()), reason };
    const ownMs = openTimeMs(open, this.openings, random);
    // the cap once more: new settings may have lowered it
    const pushbackMs = Math.min(this.pushbackUntilMs - atMs, open.maxPushbackMs);
    const untilMs = atMs + Math.max(ownMs, pushbackMs);
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
    this.openings = 0;
    this.trustsReady = true;
    this.transition({ name: 'closed', sinceMs: atMs }, reason);
  }

  reset(): void {
    const nowMs = this.circuit.environment.clock.now();
    this.pass(nowMs);
    this.evidence.reset(this.settings);
    this.openings = 0;
    this.pushbackUntilMs = 0;
    this.trustsReady = true;
    this.transition({ name: 'closed', sinceMs: nowMs }, 'reset');
  }

  // ---------------------------------------------------------------- readiness checks and synthetic probes

  openUntilMs(): number | undefined {
    const state = this.pass(this.circuit.environment.clock.now());
    return state.name === 'open' ? state.untilMs : undefined;
  }

  ready(): void {
    const state = this.current;
    if (state.name !== 'open' || !this.trustsReady) return;
    const nowMs = this.circuit.environment.clock.now();
    const pushbackMs = Math.min(
      this.pushbackUntilMs,
      state.sinceMs + this.settings.options.open.maxPushbackMs,
    );
    const untilMs = Math.max(nowMs, pushbackMs);
    const { untilMs: dueMs } = state;
    if (untilMs < state.untilMs) this.current = { dueMs, ...state, untilMs, isReady: true };
  }

  notReady(untilMs: number, maxHoldMs: number): void {
    const state = this.current;
    if (state.name !== 'open') return;
    this.trustsReady = true;
    const { untilMs: dueMs } = state;
    const held = { dueMs, ...state, isReady: false };
    const heldUntilMs = Math.min(untilMs, held.dueMs + maxHoldMs);
    this.current = { ...held, untilMs: Math.max(held.dueMs, state.isReady ? 0 : state.untilMs, heldUntilMs) };
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
    const probe = circuit.admit(true);
    state.probes.add(probe, nowMs);
    return probe;
  }

  // ---------------------------------------------------------------- settings and snapshots

  reconfigure(options: CircuitOptions): void {
    const old = this.settings;
    const settings = newSettings(options, old);
    const nowMs = this.circuit.environment.clock.now();
    // what was due before is judged by the old settings
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
      openings: this.openings,
      openUntilMs: current.name === 'open' ? current.untilMs + aheadMs : null,
      lastTrip: this.lastTrip,
      ...this.evidence.snapshot(this.settings, nowMs),
    };
  }

  restore(known: RestorableSnapshot): void {
    const { circuit } = this;
    const nowMs = circuit.environment.clock.now();
    this.pass(nowMs);
    this.evidence.restore(known.baseline);
    this.lastTrip = known.lastTrip;
    circuit.totals.add(known.totals);
    const state = restoredState(known, this.settings.options, nowMs, circuit.aheadMs(nowMs));
    this.openings = state.name === 'closed' ? 0 : known.openings;
    this.transition(state, 'restored');
  }
}
