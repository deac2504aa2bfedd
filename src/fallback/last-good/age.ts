import type { Clock } from '../../clock.js';

/** When the primary gave an answer, on both clocks. */
export interface AnswerTime {
  /** By the wall clock, which other processes, and this process after a restart, can read. */
  readonly epochMs: number;
  /** By this process's monotonic clock; for an answer from a store, computed from its age when it was read. */
  readonly clockMs: number;
}

/** A time further in the future than this gives no age: the two wall clocks differ too much. */
const LARGEST_SKEW_MS = 60_000;

/**
 * The time of an answer from a store, by its writer's wall clock; undefined where the two clocks differ so much that its age
 * is unknown.
 */
export function timeOfStored(epochMs: number, clock: Clock): AnswerTime | undefined {
  const ageMs = clock.epochMs() - epochMs;
  if (!(ageMs >= -LARGEST_SKEW_MS)) return undefined;
  return { epochMs, clockMs: clock.now() - Math.max(0, ageMs) };
}

/**
 * The age of an answer in milliseconds: the larger of its ages by the two clocks. The monotonic clock never jumps, but stops
 * while the machine sleeps; the wall clock goes on then, but can be set. So an answer may count as older than it is, which
 * costs a fallback. It counts as younger only if both clocks were wrong at once.
 *
 * | since the answer was given | monotonic clock | wall clock | age |
 * |---|---|---|---|
 * | time passed | true age | true age | true age |
 * | the machine slept | too little | true age | true age |
 * | the wall clock was set forward | true age | too much | too much: it may be refused early |
 * | the wall clock was set back | true age | too little, or negative | true age |
 * | slept, and set back | too little | too little | the larger; too little by at most the change of the wall clock |
 * | from a store, clocks agree | by the wall clock when it was read | true age | true age |
 * | from a store, stamp up to 60 s ahead | since it was read | negative | 0 when read, then since it was read |
 * | from a store, stamp further ahead | – | – | unknown: a miss ({@link timeOfStored}) |
 * | from a store, stamp behind (writer's clock slow, or ours set forward) | – | too much | too much |
 */
export function ageOf(time: AnswerTime, clock: Clock): number {
  return Math.max(0, clock.now() - time.clockMs, clock.epochMs() - time.epochMs);
}
