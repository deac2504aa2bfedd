import { CircuitBase } from '../../circuit/base.js';
import type { CircuitEnvironment } from '../../circuit/environment.js';
import { type CircuitPermit, UNRECORDED } from '../../circuit/permit.js';
import type { CircuitSnapshot, CircuitStateName, Permit, Rejection } from '../../circuit/types.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import { FailsoftError } from '../../errors.js';
import { type CallReport, FailedCall, reportOf } from './call-report.js';
import { Causes } from './causes.js';
import { ClockedBreaker } from './clocked-breaker.js';
import type { BreakerSettings } from './settings.js';
import { dueOf, rebase, type State } from './state.js';
import { windowSnapshot } from './window-snapshot.js';

/**
 * A circuit whose state is that of an opossum breaker. opossum counts and decides; what is here keeps what must not
 * count away from it: permits of an earlier generation, cancelled and hung probes, a second probe.
 */
export class OpossumCircuit extends CircuitBase {
  readonly breaker: ClockedBreaker;
  readonly #breakerSettings: BreakerSettings;
  readonly #causes: Causes;
  #state: State;
  #attempt = 0;
  #consecutiveFailures = 0;
  #lastTrip: CircuitSnapshot['lastTrip'] = null;
  #isClosed = false;

  constructor(key: string, settings: BreakerSettings, environment: CircuitEnvironment) {
    super(key, settings.circuit, environment);
    const { clock } = environment;
    this.#breakerSettings = settings;
    this.#causes = new Causes(clock);
    this.#state = { name: 'closed', sinceMs: clock.now() };
    this.breaker = new ClockedBreaker(key, settings, clock);
    this.breaker.beforeRead = () => this.#now(clock.now());
    this.breaker.on('open', () => this.#opened());
    this.breaker.on('halfOpen', () => this.#halfOpened());
    this.breaker.on('close', () => this.#recovered());
  }

  get state(): CircuitStateName {
    return this.#now(this.environment.clock.now()).name;
  }

  // ---------------------------------------------------------------- the way of a call

  protected decide(): Permit | Rejection {
    if (this.#isClosed) return UNRECORDED;
    const { breaker } = this;
    if (breaker.isShutdown) return this.refuse('ISOLATED', 0);
    if (!breaker.enabled) return this.admit(false);
    const nowMs = this.environment.clock.now();
    const state = this.#now(nowMs);
    if (state.name === 'open') {
      breaker.reject();
      return this.refuse('CIRCUIT_OPEN', state.untilMs - nowMs);
    }
    if (state.name === 'half-open' && state.probe !== undefined) {
      breaker.reject();
      return this.refuse('HALF_OPEN', state.probe.dueMs - nowMs);
    }
    if (this.crowded) {
      breaker.rejectForCapacity();
      return this.refuse('CONCURRENCY_LIMIT', 0);
    }
    if (state.name === 'closed') return this.admit(false);
    const permit = this.admit(true);
    const { probeTimeoutMs } = this.settings.options.halfOpen;
    this.#state = { ...state, probe: { permit, dueMs: nowMs + probeTimeoutMs } };
    breaker.probing = true;
    return permit;
  }

  protected hear(permit: CircuitPermit, outcome: Outcome, durationMs: number): void {
    const nowMs = this.environment.clock.now();
    const state = this.#now(nowMs);
    if (!this.#isCurrent(permit, state)) {
      this.countStale();
      return;
    }
    this.totals.settled(outcome);
    if (outcome === 'ignored') {
      this.#freeProbe();
      return;
    }
    if (!isUnhealthy(outcome)) this.#consecutiveFailures = 0;
    else if (outcome === 'failure') this.#consecutiveFailures += 1;
    const ended = isUnhealthy(outcome) ? 'failed' : 'succeeded';
    const reason = state.name === 'closed' ? undefined : `the probe ${ended}`;
    this.#report(reportOf(outcome, durationMs), reason, nowMs);
  }

  protected forget(permit: CircuitPermit): void {
    const state = this.#now(this.environment.clock.now());
    if (state.name === 'half-open' && state.probe?.permit === permit) this.#freeProbe();
  }

  #isCurrent(permit: CircuitPermit, state: State): boolean {
    if (permit.generation !== this.generation || this.#isClosed || state.name === 'open') return false;
    return state.name === 'closed' || state.probe?.permit === permit;
  }

  #freeProbe(): void {
    if (this.#state.name !== 'half-open') return;
    this.#state = { ...this.#state, probe: undefined };
    this.breaker.probing = false;
  }

  #report(report: CallReport, reason: string | undefined, atMs: number): void {
    if (this.breaker.enabled && !this.breaker.isShutdown) {
      this.#causes.tell(reason, atMs, () => this.breaker.report(report));
    }
    // a warm-up or `disable()` may have kept opossum from judging the probe
    this.#freeProbe();
  }

  // ---------------------------------------------------------------- the state, as opossum's events tell it

  /** Lets time pass: opossum's timers are not used. */
  #now(nowMs: number): State {
    for (;;) {
      if (nowMs < this.#state.sinceMs) this.#state = rebase(this.#state, nowMs);
      const state = this.#state;
      if (this.#isClosed || this.breaker.isShutdown || this.#causes.isTelling) return state;
      if (state.name === 'open' && nowMs >= state.untilMs) {
        this.#causes.tell('open time is over', nowMs, () => this.breaker.halfOpenNow());
      } else if (state.name === 'half-open' && state.probe) {
        const { probeTimeoutMs } = this.settings.options.halfOpen;
        const dueMs = dueOf(state.probe, nowMs, probeTimeoutMs);
        if (nowMs < dueMs) return state;
        const report = new FailedCall('failure', probeTimeoutMs, 'the probe timed out');
        this.#report(report, report.message, dueMs);
      } else {
        return state;
      }
    }
  }

  #opened(): void {
    const { openMs } = this.#breakerSettings;
    const { atMs, reason } = this.#causes.present(() => this.#trippedBy());
    this.#attempt += 1;
    this.totals.opened += 1;
    this.#lastTrip = { atMs, reason };
    this.#transition({ name: 'open', sinceMs: atMs, untilMs: atMs + openMs }, reason);
  }

  #halfOpened(): void {
    const { atMs, reason } = this.#causes.present(() => 'opossum');
    this.#transition({ name: 'half-open', sinceMs: atMs, probe: undefined }, reason);
  }

  #recovered(): void {
    const { atMs, reason } = this.#causes.present(() => 'opossum');
    this.#attempt = 0;
    this.#forgetCalls();
    this.#transition({ name: 'closed', sinceMs: atMs }, reason);
  }

  #trippedBy(): string {
    const { calls, failureRate } = windowSnapshot(this.breaker.stats);
    return `failure-rate ${failureRate.toFixed(2)} ${this.#breakerSettings.threshold} over ${calls} calls`;
  }

  #transition(state: State, reason: string): void {
    const from = this.#state.name;
    this.#state = state;
    this.generation += 1;
    this.environment.listener.transition({
      circuit: this.key,
      from,
      to: state.name,
      reason,
      atMs: state.sinceMs,
      attempt: this.#attempt,
      ...(state.name === 'open' && { openForMs: state.untilMs - state.sinceMs }),
      mode: this.mode,
    });
  }

  #forgetCalls(): void {
    this.breaker.clearWindow();
    this.#consecutiveFailures = 0;
  }

  reset(): void {
    const nowMs = this.environment.clock.now();
    this.#now(nowMs);
    this.#forgetCalls();
    if (this.#state.name === 'closed') this.generation += 1;
    else this.#causes.tell('reset', nowMs, () => this.breaker.close());
  }

  /** Lets the breaker go: its listeners and, where it has any, its timers end. From now on calls pass. */
  close(): void {
    this.#isClosed = true;
    this.breaker.shutdown();
  }

  // ---------------------------------------------------------------- snapshots

  snapshot(): CircuitSnapshot {
    const nowMs = this.environment.clock.now();
    const state = this.#now(nowMs);
    return {
      version: 1,
      key: this.key,
      engine: 'opossum',
      takenAtMs: nowMs,
      state: state.name,
      mode: this.mode,
      isolated: this.isolations,
      sinceMs: state.sinceMs,
      attempt: this.#attempt,
      openUntilMs: state.name === 'open' ? state.untilMs : null,
      generation: this.generation,
      inFlight: this.inFlight,
      window: windowSnapshot(this.breaker.stats),
      consecutiveFailures: this.#consecutiveFailures,
      totals: this.totals.snapshot(),
      lastTrip: this.#lastTrip,
      ...(this.limit && { concurrencyLimit: this.limit.limit }),
    };
  }

  restore(): void {
    throw cannot('restore()');
  }

  reconfigure(): void {
    throw cannot('reconfigure()');
  }
}

function cannot(what: string): FailsoftError {
  return new FailsoftError('FAILSOFT_UNSUPPORTED', `${what}: engine opossum cannot do it`);
}
