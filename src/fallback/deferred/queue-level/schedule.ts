import type { Clock } from '../../../clock.js';

/**
 * The time by which jobs are due: the wall clock, for it goes on between two processes, but never back. When the wall clock is
 * set back, this one goes on at the pace of the monotonic clock, so that a job with a delay of a second waits for a second.
 */
export class Schedule {
  readonly #clock: Clock;
  #atMs: number;
  #nowMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.epochMs();
    this.#nowMs = clock.now();
  }

  /** Milliseconds since the epoch, or later where the wall clock was set back. */
  now(): number {
    const nowMs = this.#clock.now();
    this.#atMs = Math.max(this.#clock.epochMs(), this.#atMs + (nowMs - this.#nowMs));
    this.#nowMs = nowMs;
    return this.#atMs;
  }
}
