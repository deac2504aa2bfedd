import type { Clock } from '../../clock.js';

/** When the primary gave an answer, on both clocks. */
export interface AnswerTime {
  /** On the wall clock: the only time that another process, or this one after a restart, can read. */
  readonly epochMs: number;
  /** On this process's monotonic clock; for an answer from a store, reckoned back from its age when it was read. */
  readonly clockMs: number;
}

/** A stamp that is further ahead of this machine's wall clock than this says nothing of the answer's age. */
const LARGEST_SKEW_MS = 60_000;

/** The time of an answer that the primary gives now. */
export function timeNow(clock: Clock): AnswerTime {
  return { epochMs: clock.epochMs(), clockMs: clock.now() };
}

/**
 * The time of an answer from a store, by its writer's wall clock; undefined where the two clocks are so far apart that its
 * age cannot be told.
 */
export function timeOfStored(epochMs: number, clock: Clock): AnswerTime | undefined {
  const ageMs = clock.epochMs() - epochMs;
  if (!(ageMs >= -LARGEST_SKEW_MS)) return undefined;
  return { epochMs, clockMs: clock.now() - Math.max(0, ageMs) };
}

/**
 * How old an answer is, in milliseconds: the larger of what the two clocks say. The monotonic clock never jumps, but stands
 * still while the machine sleeps; the wall clock runs on then, but can be set. An answer may so be taken for older than it
 * is, which costs a fallback; it is taken for younger only where both clocks were wrong at once.
 *
 * | since the answer was given | monotonic says | wall clock says | taken |
 * |---|---|---|---|
 * | time passed | true age | true age | true age |
 * | the machine slept | too little | true age | true age |
 * | the wall clock was set forward | true age | too much | too much: it may be refused early |
 * | the wall clock was set back | true age | too little, or negative | true age |
 * | slept, and set back | too little | too little | the larger; short by what the clock was set back at the most |
 * | from a store, clocks agree | reckoned from the wall clock when it was read | true age | true age |
 * | from a store, stamp up to 60 s ahead | since it was read | negative | 0 when read, then since it was read |
 * | from a store, stamp further ahead | – | – | unknown: a miss ({@link timeOfStored}) |
 * | from a store, stamp behind (writer's clock slow, or ours set forward) | – | too much | too much |
 */
export function ageOf(time: AnswerTime, clock: Clock): number {
  return Math.max(0, clock.now() - time.clockMs, clock.epochMs() - time.epochMs);
}
