import type { Clock, EventLoop } from '../clock.js';

/** A shorter time is no standstill. */
export const SHORTEST_STANDSTILL_MS = 50;
/** If the turns of the loop took less than this on average, the loop was busy, but did not stand still. */
const LONG_TURN_MS = 15;
/** The least time between two readings, because a reading costs 0.2 microseconds. */
const READ_EVERY_MS = 2;
/** After a standstill, the client catches up with calls that begin within the standstill's own length, but at most within this time. */
const LONGEST_CATCHING_UP_MS = 1_000;
/** A client whose loop has been idle for more than this share of the time since a standstill is not catching up any more. */
const MOST_IDLE_SHARE = 0.75;
/** How many standstills are kept. */
const REMEMBERED = 8;

/** A time in which a single task held the event loop up. */
export interface Standstill {
  readonly fromMs: number;
  /** Moves on until the turn ends in which the standstill was noticed, because that turn does the work that had to wait. */
  untilMs: number;
  /** How long the loop had been idle, since it began, when the standstill ended. */
  readonly idleMs: number;
}

/**
 * Notices that the event loop of this process stood still, because of a garbage collection or synchronous work. It has no timer:
 * it reads how long the loop has been idle, and how many turns the loop has made, when a call begins and when a slow call or a
 * time-out ends. Time between two readings that was neither idle nor spent in many turns is a standstill
 * (docs/decisions/late-client.md).
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

  /** Called when a call begins. */
  begins(nowMs: number): void {
    if (this.loop !== undefined && nowMs - this.readAtMs >= READ_EVERY_MS) this.read(this.loop, nowMs, 0);
  }

  /**
   * The longest standstill between two times.
   * @param lateMs by how much a timer has just been late: unless the loop was idle, it stood still for at least this long
   */
  longestSince(sinceMs: number, nowMs: number, lateMs = 0): Standstill | undefined {
    if (this.loop === undefined) return undefined;
    if (nowMs - this.readAtMs >= READ_EVERY_MS) this.read(this.loop, nowMs, lateMs);
    let longest: Standstill | undefined;
    for (const standstill of this.standstills) {
      const part = since(sinceMs, standstill);
      if (lengthOf(part) > lengthOf(longest)) longest = part;
    }
    return longest;
  }

  /**
   * The length of the longest standstill that may have delayed an answered call, in milliseconds. The part before the call counts if
   * the client was catching up: after a standstill it makes all calls at once that had to wait, and these calls wait for each other.
   */
  longestFeltMs(startedAtMs: number, nowMs: number): number {
    let longestMs = lengthOf(this.longestSince(startedAtMs, nowMs));
    for (const standstill of this.standstills) {
      const lengthMs = lengthOf(standstill);
      if (lengthMs > longestMs && this.isCatchingUp(standstill, startedAtMs, nowMs)) longestMs = lengthMs;
    }
    return longestMs;
  }

  /** Whether the client has been busy since a standstill, and a call began soon after it. */
  private isCatchingUp({ fromMs, untilMs, idleMs }: Standstill, startedAtMs: number, nowMs: number): boolean {
    const isSoon = startedAtMs < untilMs + Math.min(untilMs - fromMs, LONGEST_CATCHING_UP_MS);
    return isSoon && this.idleMs - idleMs <= (nowMs - untilMs) * MOST_IDLE_SHARE;
  }

  private read(loop: EventLoop, nowMs: number, lateMs: number): void {
    const idleMs = loop.idleMs();
    const turns = loop.turns();
    const activeMs = nowMs - this.readAtMs - (idleMs - this.idleMs);
    // one more than the difference: a part of the turn of the last reading, and a part of this turn
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
    this.standstills.push({ fromMs, untilMs, idleMs: this.idleMs });
  }
}

/** The part of a standstill since a time. */
function since(sinceMs: number, standstill: Standstill): Standstill {
  return standstill.fromMs < sinceMs ? { ...standstill, fromMs: sinceMs } : standstill;
}

export function lengthOf(standstill: Standstill | undefined): number {
  return standstill === undefined ? 0 : Math.max(0, standstill.untilMs - standstill.fromMs);
}
