import type {
  CircuitMode,
  CircuitStateName,
  Circumstances,
  RejectionReason,
} from '../../src/circuit/types.js';
import { nearestRank } from '../../src/circuit/window/nearest-rank.js';
import type { Outcome } from '../../src/classify/outcome.js';

/** The settings that the model knows; a plain subset of `CircuitOptions`. */
export interface ModelConfig {
  readonly consecutive: number | undefined;
  readonly failureRate: { threshold: number; minimumCalls: number } | undefined;
  readonly slowRate: { threshold: number; slowThresholdMs: number; minimumCalls: number } | undefined;
  readonly latency: { percentile: number; thresholdMs: number; minimumCalls: number } | undefined;
  readonly window: { type: 'count'; size: number } | { type: 'time'; durationMs: number; buckets: number };
  readonly open: {
    baseMs: number;
    multiplier: number;
    maxMs: number;
    jitter: 'none' | 'full' | 'equal';
    maxPushbackMs: number;
  };
  readonly probes: { permitted: number; threshold: number; timeoutMs: number };
  readonly ramp: { durationMs: number; initialShare: number } | undefined;
  readonly limit: number | undefined;
}

interface Call {
  readonly outcome: Outcome;
  /** Undefined where it is no latency. */
  readonly durationMs: number | undefined;
  readonly atMs: number;
  /** Whether no healthy answer has come since it began. */
  readonly isInRow: boolean;
}

interface RampAnswer {
  readonly healthy: boolean;
  readonly late: boolean;
  /** Of a healthy success. */
  readonly durationMs: number | undefined;
}

export interface ModelPermit {
  readonly generation: number;
  readonly probe: boolean;
  readonly shadow: boolean;
  readonly unrecorded: boolean;
  /** How many permits there were with it. */
  readonly number: number;
  settled: boolean;
  /** Probes only. */
  dueMs: number;
  fate: 'out' | 'success' | 'failure' | 'given back';
  /** The rules that the half-open time began with. */
  rules: ModelConfig['probes'];
}

/**
 * The circuit once more, as plainly as it can be written: it keeps every call, recounts everything each time, and does
 * what is due at the very moment that it is due.
 */
export class Model {
  nowMs: number;
  config: ModelConfig;
  state: CircuitStateName = 'closed';
  mode: CircuitMode = 'enforce';
  isolations = 0;
  generation = 0;
  openings = 0;
  sinceMs: number;
  untilMs = 0;
  pushbackUntilMs = 0;
  credit = 0;
  ramp: NonNullable<ModelConfig['ramp']> | undefined;
  /** The share by time counts from here. */
  rampFromMs = 0;
  limit = 0;
  /** Answers of the round, and what they have to be. */
  round: { size: number; answers: RampAnswer[]; refused: boolean } = { size: 0, answers: [], refused: false };
  /** Calls that end first and say nothing about a halved limit. */
  uncounted = 0;
  /** The most calls at a time in the round. */
  peak = 0;
  usualMs = Number.POSITIVE_INFINITY;
  slowRound = { typicalMs: 0, peak: 0 };
  proofs = 0;
  calmRounds = 0;
  /** Since the calls were last forgotten. */
  history: Call[] = [];
  window: Call[] = [];
  /** Of the present half-open time. */
  probes: ModelPermit[] = [];
  probeRules: ModelConfig['probes'];
  probeSlowMs = 0;
  permits: ModelPermit[] = [];
  story: string[] = [];
  outcomes: Record<Outcome, number> = { success: 0, 'caller-error': 0, failure: 0, overload: 0, ignored: 0 };
  rejected: Partial<Record<RejectionReason, number>> = {};
  admitted = 0;
  /** The number of the last permit when a healthy answer came. */
  answeredThrough = 0;
  stale = 0;
  discounts = { correlated: 0, connecting: 0, stalled: 0, notSent: 0 };
  /** Permits up to this one were out when a loss counted. */
  lostThrough = 0;
  lossMs = Number.NEGATIVE_INFINITY;
  lossHealthy = 0;
  readonly #random: () => number;

  constructor(config: ModelConfig, nowMs: number, random: () => number) {
    this.config = config;
    this.probeRules = config.probes;
    this.nowMs = nowMs;
    this.sinceMs = nowMs;
    this.#random = random;
  }

  // ------------------------------------------------------------ commands

  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const dueMs = this.#nextDueMs();
      if (dueMs > endMs) break;
      this.nowMs = dueMs;
      this.#doDue();
    }
    this.nowMs = endMs;
  }

  #nextDueMs(): number {
    if (this.state === 'recovering' && this.ramp) {
      const { durationMs } = this.ramp;
      return Math.min(this.rampFromMs + durationMs, this.sinceMs + 12 * durationMs);
    }
    if (this.state !== 'half-open') return Number.POSITIVE_INFINITY;
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.probes.filter(({ fate }) => fate === 'out').map(({ dueMs }) => dueMs),
    );
  }

  #doDue(): void {
    if (this.state === 'recovering') {
      this.#close();
      return;
    }
    const due = this.probes.find(({ fate, dueMs }) => fate === 'out' && dueMs <= this.nowMs);
    if (due) due.fate = 'failure';
    this.#judge();
  }

  /** A caller or a reader looks at the state. */
  look(): CircuitStateName {
    if (this.state === 'open' && this.nowMs >= this.untilMs) {
      this.probes = [];
      this.probeRules = this.config.probes;
      this.probeSlowMs = this.#slowMs();
      this.#go('half-open');
    }
    return this.state;
  }

  acquire(): ModelPermit | { reason: RejectionReason; retryAfterMs: number } {
    if (this.mode === 'off') return this.#permit({ unrecorded: true });
    const refusal = this.#refusal();
    if (refusal) {
      this.rejected[refusal.reason] = (this.rejected[refusal.reason] ?? 0) + 1;
      return this.mode === 'enforce' ? refusal : this.#permit({ shadow: true });
    }
    this.admitted += 1;
    if (this.state !== 'half-open') return this.#permit({});
    const probe = this.#permit({ probe: true });
    this.probes.push(probe);
    return probe;
  }

  #refusal(): { reason: RejectionReason; retryAfterMs: number } | undefined {
    if (this.isolations > 0) return { reason: 'ISOLATED', retryAfterMs: 0 };
    const state = this.look();
    if (state === 'open') return { reason: 'CIRCUIT_OPEN', retryAfterMs: this.untilMs - this.nowMs };
    if (state === 'half-open') {
      const used = this.probes.filter(({ fate }) => fate !== 'given back').length;
      if (used >= this.probeRules.permitted) {
        return { reason: 'HALF_OPEN', retryAfterMs: this.#nextDueMs() - this.nowMs };
      }
    }
    const out = this.permits.filter(
      (permit) => !permit.settled && !permit.shadow && !permit.unrecorded,
    ).length;
    if (this.config.limit !== undefined && out >= this.config.limit) {
      return { reason: 'CONCURRENCY_LIMIT', retryAfterMs: 0 };
    }
    if (state === 'recovering' && this.ramp) {
      const { durationMs, initialShare } = this.ramp;
      const passedMs = this.nowMs - this.rampFromMs;
      this.credit += initialShare + (1 - initialShare) * (passedMs / durationMs);
      const { length: out } = this.#out();
      if (out >= this.limit && this.credit < 1 - 1e-9) {
        this.round.refused = true;
        const leftMs = this.#nextDueMs() - this.nowMs;
        return { reason: 'RECOVERING', retryAfterMs: Math.min(leftMs, durationMs / 10) };
      }
      this.credit = Math.max(0, this.credit - 1);
      this.peak = Math.max(this.peak, out + 1);
    }
    return undefined;
  }

  #permit(what: { probe?: boolean; shadow?: boolean; unrecorded?: boolean }): ModelPermit {
    const permit: ModelPermit = {
      generation: what.unrecorded ? 0 : this.generation,
      probe: what.probe ?? false,
      shadow: what.shadow ?? false,
      unrecorded: what.unrecorded ?? false,
      number: this.admitted,
      settled: false,
      dueMs: this.nowMs + this.probeRules.timeoutMs,
      fate: 'out',
      rules: this.probeRules,
    };
    this.permits.push(permit);
    return permit;
  }

  settle(
    permit: ModelPermit,
    outcome: Outcome,
    durationMs: number,
    pushbackMs: number | undefined,
    circumstances: Circumstances = {},
  ): void {
    if (permit.settled) return;
    permit.settled = true;
    if (permit.unrecorded || permit.shadow) return;
    const current = this.#isCurrent(permit);
    if (this.mode === 'off') {
      if (current) this.#giveBack(permit);
      return;
    }
    if (!current) {
      this.stale += 1;
      return;
    }
    this.outcomes[outcome] += 1;
    for (const name of ['connecting', 'stalled', 'notSent'] as const)
      if (circumstances[name]) this.discounts[name] += 1;
    if (this.#isDiscounted(permit, outcome, circumstances))
      this.#record(permit, 'ignored', undefined, undefined);
    else {
      const { lostConnection, notSent, connecting, stalled } = circumstances;
      const isLatency = !lostConnection && !notSent && !connecting && !stalled;
      this.#record(permit, outcome, isLatency ? durationMs : undefined, pushbackMs);
    }
  }

  #isDiscounted(permit: ModelPermit, outcome: Outcome, what: Circumstances): boolean {
    if (outcome !== 'failure' && outcome !== 'overload') return false;
    if (outcome === 'failure' && what.stalled) return true;
    if (permit.probe) return outcome === 'failure' && what.notSent === true;
    if (!what.lostConnection) return false;
    const healthy = this.outcomes.success + this.outcomes['caller-error'];
    const together =
      what.lostConnection === true || (this.nowMs - this.lossMs <= 100 && healthy === this.lossHealthy);
    if (together && permit.number <= this.lostThrough) {
      this.discounts.correlated += 1;
      return true;
    }
    this.lostThrough = this.admitted;
    this.lossMs = this.nowMs;
    this.lossHealthy = healthy;
    return false;
  }

  #record(
    permit: ModelPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
  ): void {
    const healthy = outcome === 'success' || outcome === 'caller-error';
    const isInRow = permit.number > this.answeredThrough;
    if (healthy) this.answeredThrough = this.admitted;
    if ((outcome === 'failure' || outcome === 'overload') && pushbackMs !== undefined && pushbackMs > 0) {
      const heardMs = Math.min(pushbackMs, this.config.open.maxPushbackMs);
      this.pushbackUntilMs = Math.max(this.pushbackUntilMs, this.nowMs + heardMs);
    }
    if (this.state === 'half-open') {
      const good = healthy && !((durationMs ?? 0) > this.probeSlowMs);
      permit.fate = outcome === 'ignored' ? 'given back' : good ? 'success' : 'failure';
      this.#judge();
    } else if (outcome === 'ignored') {
      this.#giveBack(permit);
    } else {
      const call = {
        outcome,
        durationMs: durationMs === undefined ? undefined : Math.max(0, durationMs || 0),
        atMs: this.nowMs,
        isInRow,
      };
      this.history.push(call);
      this.window.push(call);
      if (this.#tripped()) this.#open();
      else if (this.state === 'recovering') this.#answered(call);
    }
  }

  // ------------------------------------------------------------ the ramp

  #isCurrent({ generation, fate, unrecorded }: ModelPermit): boolean {
    return !unrecorded && generation === this.generation && fate === 'out';
  }

  #out(): ModelPermit[] {
    return this.permits.filter((permit) => !permit.settled && !permit.shadow && this.#isCurrent(permit));
  }

  /** One call less that says nothing about the limit. */
  #uncountedEnds(): void {
    this.uncounted -= 1;
    if (this.uncounted === 0) this.peak = this.#out().length;
  }

  #giveBack(permit: ModelPermit): void {
    if (permit.probe) permit.fate = 'given back';
    if (this.state !== 'recovering') return;
    this.credit = Math.min(2, this.credit + 1);
    if (this.uncounted > 0) this.#uncountedEnds();
  }

  #answered({ outcome, durationMs }: Call): void {
    const knownMs = outcome === 'success' ? durationMs : undefined;
    const late = knownMs !== undefined && this.#isSlow(knownMs);
    const overLimit = knownMs !== undefined && knownMs > this.#slowMs();
    if (this.round.refused && (late || overLimit || outcome === 'overload')) this.rampFromMs = this.nowMs;
    if (this.uncounted > 0) {
      this.#uncountedEnds();
      return;
    }
    const { round } = this;
    const failed = outcome === 'failure' || outcome === 'overload';
    const healthy = !failed && !overLimit;
    round.answers.push({
      healthy,
      late: healthy && late,
      durationMs: healthy ? knownMs : undefined,
    });
    if (healthy && !late && this.peak * 2 >= this.limit) this.limit += 1;
    if (!healthy && round.answers.filter((answer) => !answer.healthy).length / round.size > 0.2) {
      this.#halve();
    } else if (round.answers.length >= round.size) this.#endRound();
  }

  #isSlow(durationMs: number): boolean {
    return durationMs > 1.5 * this.usualMs && durationMs > this.usualMs + 10;
  }

  #endRound(): void {
    const durations = this.round.answers.flatMap(({ durationMs }) =>
      durationMs === undefined ? [] : [durationMs],
    );
    const kept = durations.slice(0, 64).sort((a, b) => a - b);
    const typicalMs = kept[Math.floor(kept.length / 4)] ?? 0;
    let slow = false;
    if (kept.length >= 4) {
      const { slowRound, peak } = this;
      const unchanged = peak <= 0.6 * slowRound.peak && typicalMs > 0.75 * slowRound.typicalMs;
      this.proofs = unchanged ? this.proofs + 1 : 0;
      if (this.proofs >= 2) this.usualMs = typicalMs;
      slow = this.#isSlow(typicalMs);
      this.slowRound = slow ? { typicalMs, peak } : { typicalMs: 0, peak: 0 };
      if (!slow) this.usualMs = Math.min(this.usualMs, typicalMs);
    }
    if (slow) {
      this.#halve();
      return;
    }
    const { refused, size, answers } = this.round;
    const calm = !refused && answers.filter(({ late }) => late).length / size <= 0.5;
    this.calmRounds = calm ? this.calmRounds + 1 : 0;
    if (this.calmRounds === 3) this.#close();
    else this.#beginRound();
  }

  #halve(): void {
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    this.uncounted = this.#out().length;
    this.calmRounds = 0;
    this.#beginRound();
  }

  #beginRound(): void {
    this.round = { size: this.limit, answers: [], refused: false };
    this.peak = this.#out().length;
  }

  #close(): void {
    this.openings = 0;
    this.#go('closed');
  }

  reset(): void {
    this.#forget();
    this.openings = 0;
    this.pushbackUntilMs = 0;
    this.#go('closed');
  }

  reconfigure(config: ModelConfig): void {
    const shape = ({ window, slowRate, latency }: ModelConfig) =>
      JSON.stringify([window, ...new Set([slowRate?.slowThresholdMs, latency?.thresholdMs].filter(Boolean))]);
    if (shape(config) !== shape(this.config)) this.window = [];
    this.config = config;
  }

  /** A permit whose call never went out. */
  withdraw(permit: ModelPermit): void {
    if (permit.settled) return;
    permit.settled = true;
    if (permit.unrecorded || permit.shadow) return;
    const current = this.#isCurrent(permit);
    if (current) this.#giveBack(permit);
    if (this.mode === 'off') return;
    if (current) this.outcomes.ignored += 1;
    else this.stale += 1;
  }

  /** What the rules in force call slow. */
  #slowMs(): number {
    const { slowRate, latency } = this.config;
    return Math.min(slowRate?.slowThresholdMs ?? 1e9, latency?.thresholdMs ?? 1e9);
  }

  // ------------------------------------------------------------ what follows from it

  /** The calls that the window holds now. */
  held(): Call[] {
    const { window } = this.config;
    if (window.type === 'count') return this.window.slice(-window.size);
    const bucketMs = window.durationMs / window.buckets;
    const oldest = Math.floor(this.nowMs / bucketMs) - window.buckets;
    return this.window.filter(({ atMs }) => Math.floor(atMs / bucketMs) > oldest);
  }

  /** Of the calls that the window holds, where they are known. */
  latencies(): number[] {
    return this.held().flatMap(({ durationMs }) => (durationMs === undefined ? [] : [durationMs]));
  }

  consecutiveFailures(): number {
    let count = 0;
    for (const { outcome, isInRow } of this.history) {
      if (outcome === 'failure') count += isInRow ? 1 : 0;
      else if (outcome !== 'overload') count = 0;
    }
    return count;
  }

  #tripped(): boolean {
    const { consecutive, failureRate, slowRate, latency } = this.config;
    const held = this.held();
    const share = (which: (call: Call) => boolean) => held.filter(which).length / held.length;
    const timed = this.latencies();
    if (consecutive !== undefined && this.consecutiveFailures() >= consecutive) return true;
    if (failureRate && held.length >= failureRate.minimumCalls) {
      const bad = share(({ outcome }) => outcome === 'failure' || outcome === 'overload');
      if (bad >= failureRate.threshold) return true;
    }
    if (slowRate && timed.length >= slowRate.minimumCalls) {
      const slow = timed.filter((durationMs) => durationMs > slowRate.slowThresholdMs);
      if (slow.length / timed.length >= slowRate.threshold) return true;
    }
    if (latency && timed.length >= latency.minimumCalls) {
      const sorted = timed.sort((a, b) => a - b);
      const at = sorted[nearestRank(latency.percentile, sorted.length) - 1];
      if (at !== undefined && at > latency.thresholdMs) return true;
    }
    return false;
  }

  #judge(): void {
    const { permitted, threshold } = this.probeRules;
    const successes = this.probes.filter(({ fate }) => fate === 'success').length;
    const failures = this.probes.filter(({ fate }) => fate === 'failure').length;
    if (successes >= threshold) {
      this.#forget();
      this.ramp = this.config.ramp;
      if (this.ramp) {
        this.credit = 1 - this.ramp.initialShare;
        this.rampFromMs = this.nowMs;
        this.limit = 1 + successes;
        this.uncounted = 0;
        this.usualMs = Number.POSITIVE_INFINITY;
        this.slowRound = { typicalMs: 0, peak: 0 };
        this.proofs = 0;
        this.#go('recovering');
        this.calmRounds = 0;
        this.#beginRound();
      } else this.#close();
    } else if (failures > permitted - threshold) this.#open();
  }

  #open(): void {
    this.openings += 1;
    const { baseMs, multiplier, maxMs, jitter } = this.config.open;
    const fullMs = Math.min(maxMs, baseMs * multiplier ** (this.openings - 1));
    let ownMs = fullMs;
    if (jitter === 'full') ownMs = fullMs * this.#random();
    if (jitter === 'equal') ownMs = fullMs / 2 + (fullMs / 2) * this.#random();
    const pushbackMs = Math.min(this.pushbackUntilMs - this.nowMs, this.config.open.maxPushbackMs);
    this.untilMs = this.nowMs + Math.max(ownMs, pushbackMs);
    this.#go('open');
  }

  #forget(): void {
    this.history = [];
    this.window = [];
  }

  #go(to: CircuitStateName): void {
    if (this.state !== to) this.story.push(`${this.state} -> ${to} at ${this.nowMs}`);
    this.state = to;
    this.sinceMs = this.nowMs;
    this.generation += 1;
  }
}
