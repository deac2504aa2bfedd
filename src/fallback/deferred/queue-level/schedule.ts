import type { Clock } from '../../../clock.js';

/**
 * The clock by which jobs are due. It follows the wall clock, which goes on between two processes, but never goes back: when the
 * wall clock is set back, this clock goes on at the pace of the monotonic clock, so that a delay of a second stays a second.
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
