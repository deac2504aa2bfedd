import type { Outcome } from '../classify/outcome.js';
import type { ResolvedRamp } from './options/resolve.js';
import { Pace } from './pace.js';
import { limitFor, type Priority } from './priority.js';

/** A tenth of the ramp: rejected callers come back spread over it, not all at its end. */
const RETRY_STEPS = 10;
/** Adding up shares such as 0.1 loses up to this much. */
const ROUNDING = 1e-9;
/**
 * The most that returned calls add up to: one call that is due, and one more. With less, a ramp whose every admission a
 * parent refuses would fall behind its own share; without a bound, it would let all of them out at once later.
 */
const MOST_RETURNED = 2;
/** The share of a round's answers that may be unhealthy: failures too few to trip must not hold up a recovery for ever. */
const TOLERATED_SHARE = 0.2;
/** The share of a calm round's answers that may be slow. */
const CALM_SHARE = 0.5;
/** The ramp is over after so many calm rounds in a row: a queue that grows slowly does not show in one. */
const CALM_ROUNDS = 3;
/** A server that slows down under its load puts the end of the ramp off, until so many times its length have passed. */
const LONGEST_RAMPS = 12;

/** How an admitted call ended. */
type RampAnswer = 'healthy' | 'failed' | 'overloaded' | 'slow';

/** An outcome as an answer; a success may also be slow. */
const ANSWERS = {
  success: 'healthy',
  'caller-error': 'healthy',
  failure: 'failed',
  overload: 'overloaded',
} as const satisfies Partial<Record<Outcome, RampAnswer>>;

/**
 * Admits as many calls at a time as the answers allow, as TCP's slow start does: each healthy answer in normal time admits
 * one more while the limit is used, which doubles it with every round trip; trouble halves it. A round is as many answers as
 * the limit had when the round began. The ramp is over after three rounds in which no call was refused and few answers were slow.
 *
 * Beside that it admits the share of the calls that grows from `initialShare` to 1 with time: calls that never end cannot hold it up.
 */
export class Ramp {
  readonly #options: ResolvedRamp;
  readonly #lastEndMs: number;
  readonly #pace = new Pace();
  #startMs: number;
  /** The sum of the shares by time since the last admission. */
  #credit: number;
  #limit: number;
  /** Admitted, and not ended. */
  #out = 0;
  /** The most at a time in this round. */
  #mostOut = 0;
  /** How many calls were out when the limit was halved, less those that have ended since: no evidence about the new limit. */
  #fromBefore = 0;
  #roundSize: number;
  /** Answers of this round. */
  #answers = 0;
  /** Those of them that were unhealthy or slow for a probe. */
  #unhealthy = 0;
  /** Healthy ones that took longer than usual. */
  #late = 0;
  /** Whether a call was refused in this round. */
  #refused = false;
  /** Calm rounds in a row. */
  #calmRounds = 0;

  /** @param successes of the probes: they are answers, too */
  constructor(options: ResolvedRamp, startMs: number, successes = 1) {
    this.#options = options;
    this.#startMs = startMs;
    this.#lastEndMs = startMs + options.durationMs * LONGEST_RAMPS;
    this.#credit = 1 - options.initialShare;
    this.#limit = 1 + successes;
    this.#roundSize = this.#limit;
  }

  /** When it is over, whatever the answers are. */
  get endMs(): number {
    return Math.min(this.#startMs + this.#options.durationMs, this.#lastEndMs);
  }

  /** Whether what it admits is no longer less than what is asked for. */
  get isOver(): boolean {
    return this.#calmRounds >= CALM_ROUNDS;
  }

  /** Calls of low priority have half of the limit, and no part in the share by time. */
  admits(nowMs: number, priority: Priority = 'normal', hasHigh = false): boolean {
    const isBelowLimit = this.#out < limitFor(this.#limit, priority, hasHigh);
    if (priority === 'low') {
      if (isBelowLimit) this.#admitted();
      else this.#refused = true;
      return isBelowLimit;
    }
    const { initialShare, durationMs } = this.#options;
    const passed = (nowMs - this.#startMs) / durationMs;
    this.#credit += initialShare + (1 - initialShare) * passed;
    if (!isBelowLimit && this.#credit < 1 - ROUNDING) {
      this.#refused = true;
      return false;
    }
    this.#credit = Math.max(0, this.#credit - 1);
    this.#admitted();
    return true;
  }

  #admitted(): void {
    this.#out += 1;
    this.#mostOut = Math.max(this.#mostOut, this.#out);
  }

  /** An admitted call did not go out after all, or says nothing about the server: the next one may go in its place. */
  giveBack(): void {
    this.#credit = Math.min(MOST_RETURNED, this.#credit + 1);
    this.#end();
  }

  /**
   * Records how an admitted call ended.
   * @param tookMs undefined where it is no latency of the server
   * @param slowMs a success that took longer is slow
   */
  record(
    outcome: Exclude<Outcome, 'ignored'>,
    tookMs: number | undefined,
    slowMs: number,
    nowMs: number,
  ): void {
    // how fast a server refuses is not how fast it works
    const durationMs = outcome === 'success' ? tookMs : undefined;
    const answer = durationMs !== undefined && durationMs > slowMs ? 'slow' : ANSWERS[outcome];
    const late = durationMs !== undefined && this.#pace.isSlow(durationMs);
    // signs that more load would be too much: the share by time begins anew, where the limit holds load back
    if (this.#refused && (late || answer === 'overloaded' || answer === 'slow')) this.#startMs = nowMs;
    if (!this.#end()) return;
    this.#answers += 1;
    if (answer === 'healthy') {
      if (late) this.#late += 1;
      else if (this.#mostOut * 2 >= this.#limit) this.#limit += 1;
      if (durationMs !== undefined) this.#pace.add(durationMs);
    } else {
      this.#unhealthy += 1;
      if (this.#unhealthy > this.#roundSize * TOLERATED_SHARE) {
        this.#halve();
        return;
      }
    }
    if (this.#answers < this.#roundSize) return;
    if (this.#pace.endRound(this.#mostOut)) {
      this.#halve();
      return;
    }
    const calm = !this.#refused && this.#late <= this.#roundSize * CALM_SHARE;
    this.#calmRounds = calm ? this.#calmRounds + 1 : 0;
    this.#beginRound();
  }

  retryAfterMs(nowMs: number): number {
    return Math.min(this.endMs - nowMs, this.#options.durationMs / RETRY_STEPS);
  }

  /** A call has ended. @returns whether it is evidence about the limit */
  #end(): boolean {
    this.#out -= 1;
    if (this.#fromBefore === 0) return true;
    this.#fromBefore -= 1;
    if (this.#fromBefore === 0) this.#mostOut = this.#out;
    return false;
  }

  #halve(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#fromBefore = this.#out;
    this.#pace.dropRound();
    this.#calmRounds = 0;
    this.#beginRound();
  }

  #beginRound(): void {
    this.#roundSize = this.#limit;
    this.#mostOut = this.#out;
    this.#answers = 0;
    this.#unhealthy = 0;
    this.#late = 0;
    this.#refused = false;
  }
}
