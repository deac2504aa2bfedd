import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import { consecutiveAfter } from './evidence.js';
import type { Machine, MachineSnapshot } from './machine.js';
import type { MachineCircuit } from './machine-circuit.js';
import type { ResolvedThrottle } from './options/resolve.js';
import { newSettings, type Settings } from './options/settings.js';
import { type Priority, throttleShareFor } from './priority.js';
import { type RestorableSnapshot, restoredSinceMs } from './restore.js';
import { describeWindow } from './snapshot.js';
import type { CircuitOptions, CircuitStateName, Permit, Rejection } from './types.js';
import { RollingCount } from './window/rolling-count.js';
import { TimeWindow } from './window/time-window.js';

const BUCKETS = 12;

/**
 * The client-side throttling of Google's SRE book ("Handling Overload"): rejects a call with the probability
 * `max(0, (requests - k * accepts) / (requests + 1))`, at most `maxRejectShare`, so that an overloaded server gets no more
 * calls than it can serve. The state is always `closed`.
 *
 * A request is counted when it ends or is rejected here, so that calls in flight do not count as refused by the server.
 */
export class ThrottleMachine implements Machine {
  readonly #circuit: MachineCircuit;
  #settings: Settings;
  #options: ResolvedThrottle;
  /** The admitted calls that have ended. The healthy ones are the accepts of the formula. */
  #sent: TimeWindow;
  #throttled: RollingCount;
  #consecutiveFailures = 0;
  #sinceMs: number;

  constructor(circuit: MachineCircuit, settings: Settings, options: ResolvedThrottle) {
    const nowMs = circuit.environment.clock.now();
    this.#circuit = circuit;
    this.#settings = settings;
    this.#options = options;
    this.#sinceMs = nowMs;
    this.#sent = sentWindow(options, nowMs);
    this.#throttled = new RollingCount(options.windowMs, BUCKETS, nowMs);
  }

  look(): CircuitStateName {
    return 'closed';
  }

  decide(priority: Priority): Permit | Rejection {
    const circuit = this.#circuit;
    if (circuit.isCrowded(priority)) return circuit.refuse('CONCURRENCY_LIMIT', 0);
    const { clock, random } = circuit.environment;
    const nowMs = clock.now();
    const share = throttleShareFor(this.#rejectShare(nowMs), priority, this.#options.maxRejectShare);
    if (share > 0 && random() < share) {
      this.#throttled.add(nowMs);
      return circuit.refuse('THROTTLED', 0);
    }
    return circuit.admit('call');
  }

  #rejectShare(nowMs: number): number {
    const { k, maxRejectShare } = this.#options;
    this.#sent.roll(nowMs);
    const requests = this.#sent.calls + this.#throttled.at(nowMs);
    const accepts = this.#sent.calls - this.#sent.unhealthy;
    return Math.min(maxRejectShare, (requests - k * accepts) / (requests + 1));
  }

  takes(): boolean {
    return true;
  }

  record(
    outcome: Outcome,
    durationMs: number | undefined,
    _pushbackMs: number | undefined,
    isInRow: boolean,
  ): void {
    if (outcome === 'ignored') return;
    this.#consecutiveFailures = consecutiveAfter(this.#consecutiveFailures, outcome, isInRow);
    this.#sent.record(isUnhealthy(outcome), durationMs, this.#circuit.environment.clock.now());
  }

  giveBack(): void {
    // a throttle's permit holds nothing, because a request counts only when it ends
  }

  reset(): void {
    this.#consecutiveFailures = 0;
    this.#sent.clear();
    this.#throttled.clear();
    // makes earlier permits stale
    this.#circuit.entered('closed', { name: 'closed', sinceMs: this.#sinceMs }, 'reset', 0);
  }

  reconfigure(options: CircuitOptions): void {
    const old = this.#settings;
    const settings = newSettings(options, old);
    const { throttle } = settings.options;
    if (throttle === false) return; // newSettings has refused that
    if (throttle.windowMs !== this.#options.windowMs) {
      const nowMs = this.#circuit.environment.clock.now();
      this.#sent = sentWindow(throttle, nowMs);
      this.#throttled = new RollingCount(throttle.windowMs, BUCKETS, nowMs);
    }
    this.#options = throttle;
    this.#settings = settings;
    this.#circuit.adopt(old.options, settings.options);
  }

  describe(nowMs: number, aheadMs: number): MachineSnapshot {
    this.#sent.roll(nowMs);
    return {
      engine: 'native',
      state: 'closed',
      sinceMs: this.#sinceMs + aheadMs,
      openings: 0,
      openUntilMs: null,
      window: { ...describeWindow(this.#sent, this.#settings), slowRate: null },
      consecutiveFailures: this.#consecutiveFailures,
      lastTrip: null,
    };
  }

  /** Takes over the totals. The counts of the throttle itself start at zero. */
  restore(known: RestorableSnapshot): void {
    const circuit = this.#circuit;
    const nowMs = circuit.environment.clock.now();
    this.reset();
    circuit.totals.add(known.totals);
    this.#sinceMs = restoredSinceMs(known, nowMs, circuit.aheadMs(nowMs));
  }
}

function sentWindow({ windowMs }: ResolvedThrottle, nowMs: number): TimeWindow {
  const window = { type: 'time', durationMs: windowMs, buckets: BUCKETS } as const;
  return new TimeWindow({ window, thresholdsMs: [], sum: false }, windowMs, BUCKETS, nowMs);
}
