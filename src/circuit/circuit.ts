import type { Outcome } from '../classify/outcome.js';
import { CircuitBase } from './base.js';
import { replaceLimit } from './concurrency.js';
import type { CircuitEnvironment } from './environment.js';
import { Evidence } from './evidence.js';
import { Probes } from './half-open.js';
import { heardPushbackMs, openTimeMs } from './open-time.js';
import type { CircuitPermit } from './permit.js';
import { Ramp } from './ramp.js';
import { parseSnapshot, restoredState } from './restore.js';
import { newSettings, type Settings } from './settings.js';
import { rebase, type State } from './state.js';
import type { CircuitOptions, CircuitSnapshot, CircuitStateName, Permit, Rejection } from './types.js';

/** The native circuit: the state table of docs/semantics.md. Time passes when it is asked; it has no timer. */
export class NativeCircuit extends CircuitBase {
  private current: State;
  private readonly evidence: Evidence;
  private attempt = 0;
  /** Until when a server asked to be left alone. */
  private pushbackUntilMs = 0;
  private lastTrip: CircuitSnapshot['lastTrip'] = null;

  constructor(key: string, settings: Settings, environment: CircuitEnvironment) {
    super(key, settings, environment);
    const nowMs = environment.clock.now();
    this.current = { name: 'closed', sinceMs: nowMs };
    this.evidence = new Evidence(settings, nowMs);
  }

  get state(): CircuitStateName {
    return this.look(this.environment.clock.now()).name;
  }

  // ---------------------------------------------------------------- the way of a call

  protected decide(): Permit | Rejection {
    // a closed circuit does not read the clock
    if (this.current.name === 'closed') return this.letThrough();
    const nowMs = this.environment.clock.now();
    const state = this.look(nowMs);
    switch (state.name) {
      case 'closed':
        return this.letThrough();
      case 'open':
        return this.refuse('CIRCUIT_OPEN', state.untilMs - nowMs);
      case 'half-open': {
        if (state.probes.full) return this.refuse('HALF_OPEN', state.probes.firstDueMs(nowMs) - nowMs);
        if (this.crowded) return this.refuse('CONCURRENCY_LIMIT', 0);
        const probe = this.admit(true);
        state.probes.add(probe, nowMs);
        return probe;
      }
      case 'recovering':
        if (this.crowded) return this.refuse('CONCURRENCY_LIMIT', 0);
        if (state.ramp.admits(nowMs)) return this.admit(false);
        return this.refuse('RECOVERING', state.ramp.retryAfterMs(nowMs));
    }
  }

  private letThrough(): Permit | Rejection {
    return this.crowded ? this.refuse('CONCURRENCY_LIMIT', 0) : this.admit(false);
  }

  protected hear(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number,
    pushbackMs: number | undefined,
  ): void {
    const closed = this.current.name === 'closed';
    const nowMs = closed ? 0 : this.environment.clock.now();
    if (!this.isCurrent(permit, nowMs)) {
      this.countStale();
      return;
    }
    this.totals.settled(outcome);
    this.limit?.settled(outcome, durationMs, this.realInFlight);
    const healthy = outcome === 'success' || outcome === 'caller-error';
    if (!healthy && outcome !== 'ignored') this.heed(pushbackMs);
    const state = this.current;
    if (state.name === 'half-open') {
      if (outcome === 'ignored') state.probes.giveBack();
      else state.probes.count(healthy);
      this.judge(state.probes, 'failed', nowMs);
    } else if (outcome !== 'ignored') {
      this.record(outcome, healthy, durationMs);
    }
  }

  /** Whether a permit's outcome still counts; a probe's does until it is due. */
  private isCurrent(permit: CircuitPermit, nowMs: number): boolean {
    if (permit.generation !== this.generation) return false;
    if (this.current.name === 'closed') return true;
    const state = this.pass(nowMs);
    if (permit.generation !== this.generation) return false;
    return state.name !== 'half-open' || state.probes.take(permit);
  }

  private record(outcome: Outcome, healthy: boolean, durationMs: number): void {
    const { clock } = this.environment;
    // reading it costs as much as all the rest
    const nowMs = this.settings.options.window.type === 'time' ? clock.now() : 0;
    const reason = this.evidence.record(outcome, healthy, durationMs, nowMs);
    if (reason !== undefined) this.open(reason, clock.now());
  }

  private heed(pushbackMs: number | undefined): void {
    const heardMs = heardPushbackMs(this.settings.options.open, pushbackMs);
    if (heardMs === 0) return;
    this.pushbackUntilMs = Math.max(this.pushbackUntilMs, this.environment.clock.now() + heardMs);
  }

  protected forget(permit: CircuitPermit): void {
    if (!permit.probe) return;
    const state = this.pass(this.environment.clock.now());
    if (state.name === 'half-open' && state.probes.take(permit)) state.probes.giveBack();
  }

  // ---------------------------------------------------------------- the state machine

  /** The only place that changes the state. A reset while closed bumps the generation, and is no event. */
  private transition(state: State, reason: string): void {
    const from = this.current.name;
    this.current = state;
    this.generation += 1;
    if (from === state.name) return;
    this.environment.listener.transition({
      circuit: this.key,
      from,
      to: state.name,
      reason,
      atMs: state.sinceMs,
      attempt: this.attempt,
      ...(state.name === 'open' && { openForMs: state.untilMs - state.sinceMs }),
      mode: this.mode,
    });
  }

  /** A caller or a reader looks: an open circuit whose time is over becomes half-open. */
  private look(nowMs: number): State {
    const { current } = this;
    // the commonest case first: open, and its time not over
    if (current.name === 'open' && nowMs < current.untilMs && nowMs >= current.sinceMs) return current;
    for (;;) {
      const state = this.pass(nowMs);
      if (state.name !== 'open' || nowMs < state.untilMs) return state;
      const probes = new Probes(this.settings.options.halfOpen);
      this.transition({ name: 'half-open', sinceMs: nowMs, probes }, 'open time is over');
    }
  }

  /** Lets time pass: does what is due by now, as of the moment that it was due. */
  private pass(nowMs: number): State {
    for (;;) {
      if (nowMs < this.current.sinceMs) this.current = rebase(this.current, nowMs);
      const state = this.current;
      if (state.name === 'half-open') {
        const dueMs = state.probes.firstDueMs(nowMs);
        if (nowMs < dueMs) return state;
        state.probes.expireFirst();
        this.judge(state.probes, 'timed out', dueMs);
      } else if (state.name === 'recovering') {
        const { endMs } = state.ramp;
        if (nowMs < endMs) return state;
        this.attempt = 0;
        this.transition({ name: 'closed', sinceMs: endMs }, 'ramp is over');
      } else return state;
    }
  }

  private judge(probes: Probes, how: string, atMs: number): void {
    const verdict = probes.verdict;
    if (verdict === 'failed') this.open(`${probes.figures} ${how}`, atMs);
    if (verdict === 'recovered') this.recover(probes.successes, atMs);
  }

  private open(reason: string, atMs: number): void {
    this.attempt += 1;
    this.totals.opened += 1;
    this.lastTrip = { atMs, reason };
    const { open } = this.settings.options;
    const ownMs = openTimeMs(open, this.attempt, this.environment.random);
    // the cap once more, for a clock that has gone back since the push-back
    const pushbackMs = Math.min(this.pushbackUntilMs - atMs, open.maxPushbackMs);
    const untilMs = atMs + Math.max(ownMs, pushbackMs);
    this.transition({ name: 'open', sinceMs: atMs, untilMs }, reason);
  }

  private recover(successes: number, atMs: number): void {
    this.evidence.clear();
    const { recovering } = this.settings.options;
    const reason = successes === 1 ? 'the probe succeeded' : `${successes} probes succeeded`;
    if (recovering === false) {
      this.attempt = 0;
      this.transition({ name: 'closed', sinceMs: atMs }, reason);
    } else {
      this.transition({ name: 'recovering', sinceMs: atMs, ramp: new Ramp(recovering, atMs) }, reason);
    }
  }

  reset(): void {
    const nowMs = this.environment.clock.now();
    this.pass(nowMs);
    this.evidence.reset();
    this.attempt = 0;
    this.pushbackUntilMs = 0;
    this.limit?.reset();
    this.transition({ name: 'closed', sinceMs: nowMs }, 'reset');
  }

  // ---------------------------------------------------------------- settings and snapshots

  reconfigure(options: CircuitOptions): void {
    const old = this.settings.options;
    const settings = newSettings(options, this.settings);
    const nowMs = this.environment.clock.now();
    // what was due before is judged by the old settings
    this.pass(nowMs);
    this.settings = settings;
    this.evidence.reconfigure(settings, nowMs);
    this.limit = replaceLimit(this.limit, old.concurrency, settings.options.concurrency);
    if (options.mode !== undefined) this.mode = options.mode;
  }

  snapshot(): CircuitSnapshot {
    const nowMs = this.environment.clock.now();
    const state = this.look(nowMs);
    return {
      version: 1,
      key: this.key,
      engine: 'native',
      takenAtMs: nowMs,
      state: state.name,
      mode: this.mode,
      isolated: this.isolations,
      sinceMs: state.sinceMs,
      attempt: this.attempt,
      openUntilMs: state.name === 'open' ? state.untilMs : null,
      generation: this.generation,
      inFlight: this.inFlight,
      totals: this.totals.snapshot(),
      lastTrip: this.lastTrip,
      ...(this.limit && { concurrencyLimit: this.limit.limit }),
      ...this.evidence.snapshot(nowMs),
    };
  }

  restore(snapshot: unknown, field?: string): void {
    const known = parseSnapshot(snapshot, field);
    const { clock } = this.environment;
    const nowMs = clock.now();
    this.pass(nowMs);
    this.evidence.restore(known, nowMs);
    this.lastTrip = known.lastTrip;
    this.totals.add(known.totals);
    const state = restoredState(known, this.settings.options, nowMs);
    this.attempt = state.name === 'closed' ? 0 : known.attempt;
    this.transition(state, 'restored');
  }
}
