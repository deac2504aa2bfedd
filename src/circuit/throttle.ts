import type { Outcome } from '../classify/outcome.js';
import { CircuitBase } from './base.js';
import { replaceLimit } from './concurrency.js';
import type { CircuitEnvironment } from './environment.js';
import type { ResolvedThrottle } from './limit-options.js';
import type { CircuitPermit } from './permit.js';
import { parseSnapshot } from './restore.js';
import { newSettings, type Settings } from './settings.js';
import { describeWindow } from './snapshot.js';
import type { CircuitOptions, CircuitSnapshot, Permit, Rejection } from './types.js';
import { RollingCount } from './window/rolling-count.js';
import { TimeWindow } from './window/time-window.js';

const BUCKETS = 12;

/**
 * Client-side throttling of Google's SRE book ("Handling Overload"): rejects with probability
 * `max(0, (requests - k * accepts) / (requests + 1))`, at most `maxRejectShare`, so that a server under load gets
 * what it can serve and no more. There is no open and no half-open; the state is always `closed`.
 *
 * A request is counted when it ends (or is rejected here), so that calls on their way are not held against the server.
 */
export class ThrottleCircuit extends CircuitBase {
  readonly state = 'closed';
  #options: ResolvedThrottle;
  /** Calls that went out and ended; accepted are the healthy ones. */
  #sent: TimeWindow;
  #throttled: RollingCount;
  #consecutiveFailures = 0;
  #sinceMs: number;

  constructor(key: string, settings: Settings, options: ResolvedThrottle, environment: CircuitEnvironment) {
    super(key, settings, environment);
    const nowMs = environment.clock.now();
    this.#options = options;
    this.#sinceMs = nowMs;
    this.#sent = sentWindow(options, nowMs);
    this.#throttled = new RollingCount(options.windowMs, BUCKETS, nowMs);
  }

  protected decide(): Permit | Rejection {
    if (this.crowded) return this.refuse('CONCURRENCY_LIMIT', 0);
    const nowMs = this.environment.clock.now();
    const share = this.#rejectShare(nowMs);
    if (share > 0 && this.environment.random() < share) {
      this.#throttled.add(nowMs);
      return this.refuse('THROTTLED', 0);
    }
    return this.admit(false);
  }

  #rejectShare(nowMs: number): number {
    const { k, maxRejectShare } = this.#options;
    this.#sent.roll(nowMs);
    const requests = this.#sent.calls + this.#throttled.at(nowMs);
    const accepts = this.#sent.calls - this.#sent.unhealthy;
    return Math.min(maxRejectShare, (requests - k * accepts) / (requests + 1));
  }

  protected hear(permit: CircuitPermit, outcome: Outcome, durationMs: number): void {
    if (permit.generation !== this.generation) {
      this.countStale();
      return;
    }
    this.totals.settled(outcome);
    this.limit?.settled(outcome, durationMs, this.realInFlight);
    if (outcome === 'ignored') return;
    const healthy = outcome === 'success' || outcome === 'caller-error';
    if (healthy) this.#consecutiveFailures = 0;
    else if (outcome === 'failure') this.#consecutiveFailures += 1;
    this.#sent.record(!healthy, durationMs, this.environment.clock.now());
  }

  protected forget(): void {
    // a permit of a throttle holds nothing but its place in flight
  }

  reset(): void {
    this.generation += 1;
    this.#consecutiveFailures = 0;
    this.#sent.clear();
    this.#throttled.clear();
    this.limit?.reset();
  }

  reconfigure(options: CircuitOptions): void {
    const old = this.settings.options;
    const settings = newSettings(options, this.settings);
    const { throttle, concurrency } = settings.options;
    if (throttle === false) return; // newSettings has refused that
    if (throttle.windowMs !== this.#options.windowMs) {
      const nowMs = this.environment.clock.now();
      this.#sent = sentWindow(throttle, nowMs);
      this.#throttled = new RollingCount(throttle.windowMs, BUCKETS, nowMs);
    }
    this.limit = replaceLimit(this.limit, old.concurrency, concurrency);
    this.#options = throttle;
    this.settings = settings;
    if (options.mode !== undefined) this.mode = options.mode;
  }

  snapshot(): CircuitSnapshot {
    const nowMs = this.environment.clock.now();
    this.#sent.roll(nowMs);
    return {
      version: 1,
      key: this.key,
      engine: 'native',
      takenAtMs: nowMs,
      state: this.state,
      mode: this.mode,
      isolated: this.isolations,
      sinceMs: this.#sinceMs,
      attempt: 0,
      openUntilMs: null,
      generation: this.generation,
      inFlight: this.inFlight,
      window: { ...describeWindow(this.#sent, this.settings), slowRate: null },
      consecutiveFailures: this.#consecutiveFailures,
      totals: this.totals.snapshot(),
      lastTrip: null,
      ...(this.limit && { concurrencyLimit: this.limit.limit }),
    };
  }

  /** Takes over the totals. What was sent in the last minutes, and how much was rejected of it, is learnt anew. */
  restore(snapshot: unknown, field?: string): void {
    const known = parseSnapshot(snapshot, field);
    this.reset();
    this.totals.add(known.totals);
    this.#sinceMs = Math.min(known.sinceMs, this.environment.clock.now());
  }
}

function sentWindow({ windowMs }: ResolvedThrottle, nowMs: number): TimeWindow {
  const window = { type: 'time', durationMs: windowMs, buckets: BUCKETS } as const;
  return new TimeWindow({ window, thresholdsMs: [], sum: false }, windowMs, BUCKETS, nowMs);
}
