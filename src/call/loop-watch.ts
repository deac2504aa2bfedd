import type { Clock, EventLoop } from '../clock.js';

/** Less than this is no standstill. */
export const SHORTEST_STANDSTILL_MS = 50;
/** A loop whose turns took less than this on average was busy, and did not stand still. */
const LONG_TURN_MS = 15;
/** A reading costs 0.2 microseconds: with many calls, there is at most one reading in this time. */
const READ_EVERY_MS = 2;
/** The most standstills that are remembered. */
const REMEMBERED = 8;

/** A time in which the event loop was held up by a single task. */
export interface Standstill {
  readonly fromMs: number;
  /** It grows until the turn ends in which it was noticed, because that turn does the work that had to wait. */
  untilMs: number;
}

/**
 * Notices that the event loop of this process stood still: a garbage collection, or synchronous work. It has no timer. It reads
 * how long the loop has idled, and how many turns it has made, as calls begin, and when a call has ended that was slow or timed
 * out: what lies between two readings, and is neither idleness nor many turns, is a standstill (docs/decisions/late-client.md).
 */
export class LoopWatch {
  private readonly loop: EventLoop | undefined;
  private readAtMs = Number.NEGATIVE_INFINITY;
  private idleMs = 0;
  private turns = 0;
  private readonly standstills: Standstill[] = [];

  constructor(clock: Clock) {
    this.loop = clock.loop;
  }

  /** A call begins. */
  begins(nowMs: number): void {
    if (this.loop !== undefined && nowMs - this.readAtMs >= READ_EVERY_MS) this.read(this.loop, nowMs, 0);
  }

  /**
   * The longest standstill between two times.
   * @param lateMs by how much a timer was late just now: the loop stood still at least as long, if it did not idle
   */
  longestSince(sinceMs: number, nowMs: number, lateMs = 0): Standstill | undefined {
    if (this.loop === undefined) return undefined;
    if (nowMs - this.readAtMs >= READ_EVERY_MS) this.read(this.loop, nowMs, lateMs);
    let longest: Standstill | undefined;
    for (const standstill of this.standstills) {
      const { untilMs } = standstill;
      const part = standstill.fromMs < sinceMs ? { fromMs: sinceMs, untilMs } : standstill;
      if (lengthOf(part) > lengthOf(longest)) longest = part;
    }
    return longest;
  }

  private read(loop: EventLoop, nowMs: number, lateMs: number): void {
    const idleMs = loop.idleMs();
    const turns = loop.turns();
    const activeMs = nowMs - this.readAtMs - (idleMs - this.idleMs);
    // a part of the turn of the last reading, and a part of this one
    const turnMs = activeMs / (turns - this.turns + 1);
    const isFirst = this.readAtMs === Number.NEGATIVE_INFINITY;
    const last = this.standstills.at(-1);
    if (turns === this.turns && last?.untilMs === this.readAtMs) last.untilMs = nowMs;
    this.readAtMs = nowMs;
    this.idleMs = idleMs;
    this.turns = turns;
    if (isFirst || activeMs < SHORTEST_STANDSTILL_MS) return;
    if (turnMs >= LONG_TURN_MS) this.remember(nowMs - activeMs, nowMs);
    else if (lateMs >= SHORTEST_STANDSTILL_MS) this.remember(nowMs - Math.min(lateMs, activeMs), nowMs);
  }

  private remember(fromMs: number, untilMs: number): void {
    if (this.standstills.length === REMEMBERED) this.standstills.shift();
    this.standstills.push({ fromMs, untilMs });
  }
}

export function lengthOf(standstill: Standstill | undefined): number {
  return standstill === undefined ? 0 : Math.max(0, standstill.untilMs - standstill.fromMs);
}
