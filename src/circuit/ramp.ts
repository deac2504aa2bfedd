import type { Outcome } from '../classify/outcome.js';
import type { ResolvedRamp } from './options/resolve.js';
import { Pace } from './pace.js';
import { limitFor, type Priority } from './priority.js';

/** Rejected callers may retry after a tenth of the ramp, so that they do not all come back at its end. */
const RETRY_STEPS = 10;
/** The sum of shares such as 0.1 is wrong by up to this much. */
const ROUNDING = 1e-9;
/**
 * The most credit that calls which are given back may add up to: the next call, and one more. With less, a ramp would fall
 * behind its own share if something behind the circuit refuses every call; without a bound, the ramp would later admit all
 * of these calls at once.
 */
const MOST_RETURNED = 2;
/** The share of a round's answers that may be unhealthy: a few failures, too few to trip, must not delay a recovery for ever. */
const TOLERATED_SHARE = 0.2;
/** The share of a calm round's answers that may be slow. */
const CALM_SHARE = 0.5;
/** The ramp is over after so many calm rounds in a row: a single round does not show a queue that grows slowly. */
const CALM_ROUNDS = 3;
/** A server that slows down under its load delays the end of the ramp, to at most this many times its length. */
const LONGEST_RAMPS = 12;

/** How an admitted call ended. */
type RampAnswer = 'healthy' | 'failed' | 'overloaded' | 'slow';

/** The answer of each outcome; a success may also be `slow`. */
const ANSWERS = {
  success: 'healthy',
  'caller-error': 'healthy',
  failure: 'failed',
  overload: 'overloaded',
} as const satisfies Partial<Record<Outcome, RampAnswer>>;

/**
 * Limits the calls in flight by the answers, as TCP's slow start does: while at least half of the limit is used, each healthy
 * answer in normal time raises it by 1, which doubles it with every round trip; trouble halves it. A round has as many answers
 * as the limit was at its beginning. The ramp is over after three rounds in which it refused no call and few answers were slow.
 *
 * In addition the ramp admits a share of the calls that grows with time from `initialShare` to 1, so that calls which never end
 * cannot hold it up.
 */
export class Ramp {
  readonly #options: ResolvedRamp;
  readonly #lastEndMs: number;
  readonly #pace = new Pace();
  #startMs: number;
  /** The sum of the shares by time since the last admission. A call over the limit is admitted when it reaches 1. */
  #credit: number;
  #limit: number;
  /** Calls in flight that the ramp admitted. */
  #out = 0;
  /** The most calls in flight during this round. */
  #mostOut = 0;
  /** Calls in flight when the limit was halved, less those that have ended since. They are no evidence about the new limit. */
  #fromBefore = 0;
  #roundSize: number;
  /** Answers in this round. */
  #answers = 0;
  /** Answers in this round that were not `healthy`. */
  #unhealthy = 0;
  /** Healthy answers in this round that took longer than usual. */
  #late = 0;
  /** Whether a call was refused in this round. */
  #refused = false;
  /** Rounds in a row without a refusal and with few late answers. */
  #calmRounds = 0;

  /** @param successes how many probes succeeded: the ramp counts them as its first answers */
  constructor(options: ResolvedRamp, startMs: number, successes = 1) {
    this.#options = options;
    this.#startMs = startMs;
    this.#lastEndMs = startMs + options.durationMs * LONGEST_RAMPS;
    this.#credit = 1 - options.initialShare;
    this.#limit = 1 + successes;
    this.#roundSize = this.#limit;
  }

  /** When the ramp is over, whatever the answers are. */
  get endMs(): number {
    return Math.min(this.#startMs + this.#options.durationMs, this.#lastEndMs);
  }

  /** Whether the ramp no longer refuses calls. */
  get isOver(): boolean {
    return this.#calmRounds >= CALM_ROUNDS;
  }

  /** Whether a call is admitted. Calls of low priority get half of the limit, and nothing of the share by time. */
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

  /** Frees the place of an admitted call that was not sent after all, or is no evidence about the server. */
  giveBack(): void {
    this.#credit = Math.min(MOST_RETURNED, this.#credit + 1);
    this.#end();
  }

  /**
   * Records how an admitted call ended.
   * @param tookMs undefined if it is no latency of the server
   * @param slowMs a success that took longer than this is slow
   */
  record(
    outcome: Exclude<Outcome, 'ignored'>,
    tookMs: number | undefined,
    slowMs: number,
    nowMs: number,
  ): void {
    // only a success shows how fast the server works; a refusal is fast
    const durationMs = outcome === 'success' ? tookMs : undefined;
    const answer = durationMs !== undefined && durationMs > slowMs ? 'slow' : ANSWERS[outcome];
    const late = durationMs !== undefined && this.#pace.isSlow(durationMs);
    // more load would be too much: the share by time begins anew, if the ramp does hold load back
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

  /** Notes that an admitted call has ended. @returns whether the call is evidence about the present limit */
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
