import type { Guard } from '../../src/index.js';
import { seededRandom } from '../../src/testing/index.js';
import type { Ledger } from './ledger.js';
import type { SteppingClock } from './stepping-clock.js';

/** What all parts of a soak share. Each part is a function that runs until `isOver()`, cleans up, and checks what is left. */
export interface World {
  readonly ledger: Ledger;
  /** Its wall clock jumps. */
  readonly clock: SteppingClock;
  readonly seed: number;
  isOver(): boolean;
}

/** A part's own random numbers: what another part draws does not change them. */
export function randomOf(world: World, part: string): () => number {
  const salt = [...part].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return seededRandom((world.seed ^ salt) >>> 0);
}

export function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does the same thing again and again, on some lanes at a time, until the soak is over; a lane pauses up to `pauseMs`. */
export async function onLanes(
  world: World,
  lanes: number,
  pauseMs: () => number,
  once: () => Promise<void>,
): Promise<void> {
  const lane = async () => {
    while (!world.isOver()) {
      await once();
      await later(pauseMs());
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** The most time that a part adds to a run that was too short for it, on a slow machine. */
const LONGEST_MS = 60_000;

/** A world for one part, which goes on until the part has seen what it is for. */
export function untilSeen(world: World, hasSeen: () => boolean): World {
  const latest = performance.now() + LONGEST_MS;
  return { ...world, isOver: () => world.isOver() && (hasSeen() || performance.now() > latest) };
}

/** One of a list. */
export function pick<T>(random: () => number, list: readonly [T, ...T[]]): T {
  return list[Math.floor(random() * list.length)] ?? list[0];
}

/** No call lasts this long, on a slow machine either: a permit that is still out is never given back. */
const LONGEST_CALL_MS = 30_000;

/** Waits until no call is in flight. Then closes the guard. */
export async function closeGuard(name: string, guard: Guard, ledger: Ledger): Promise<void> {
  const inFlight = () => guard.snapshots().reduce((sum, snapshot) => sum + snapshot.inFlight, 0);
  const until = performance.now() + LONGEST_CALL_MS;
  while (inFlight() > 0 && performance.now() < until) await later(5);
  const left = inFlight();
  ledger.add('in flight at the end', left);
  if (left > 0) ledger.fail(`${name}: ${left} permits are in flight at the end`);
  for (const { circuitKey, totals } of guard.snapshots()) {
    const settled = Object.values(totals.outcomes).reduce((all, count) => all + count, totals.stale);
    const permits = totals.admitted - settled;
    ledger.add('permits at the end', Math.abs(permits));
    if (permits !== 0) ledger.fail(`${name}: ${circuitKey} has ${permits} permits without an outcome`);
  }
  await guard.close();
}
