import type { Clock } from '../../clock.js';

/** In milliseconds. A smaller difference is drift: the two clocks run at slightly different rates. */
const SMALLEST_STEP_MS = 1_000;
const LONGEST_HISTORY = 64;

interface Step {
  /** The time by the wall clock just before the step. */
  readonly atMs: number;
  readonly byMs: number;
}

/**
 * Detects that the wall clock was set (or the machine slept) while this process ran, by comparing the wall clock with the
 * monotonic clock. A limit in epoch time that was fixed before such a step is moved along with it, so that no job expires because
 * an administrator, or NTP, has set the clock.
 */
export class ClockSteps {
  readonly #clock: Clock;
  #nowMs: number;
  #epochMs: number;
  #steps: Step[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.now();
    this.#epochMs = clock.epochMs();
  }

  /**
   * By how much the steps since `sinceMs` (epoch) may have moved the wall clock forward, in milliseconds. A wall clock that was set
   * back has shown some times twice, so it is unknown which steps came after `sinceMs`: the largest possible sum counts.
   */
  since(sinceMs: number): number {
    this.#notice();
    let mostMs = 0;
    let sumMs = 0;
    for (const step of this.#steps.toReversed()) {
      if (step.atMs < sinceMs) continue;
      sumMs += step.byMs;
      mostMs = Math.max(mostMs, sumMs);
    }
    return mostMs;
  }

  /** Whether the wall clock was set back since the last call of this function. */
  wasSetBack(): boolean {
    this.#notice();
    const back = this.#steps.some((step) => step.byMs < 0);
    this.#steps = [];
    return back;
  }

  #notice(): void {
    const nowMs = this.#clock.now();
    const epochMs = this.#clock.epochMs();
    const expectedMs = this.#epochMs + (nowMs - this.#nowMs);
    const byMs = epochMs - expectedMs;
    this.#nowMs = nowMs;
    this.#epochMs = epochMs;
    if (Math.abs(byMs) < SMALLEST_STEP_MS) return;
    this.#steps.push({ atMs: expectedMs, byMs });
    if (this.#steps.length > LONGEST_HISTORY) this.#steps = this.#steps.slice(-LONGEST_HISTORY);
  }
}
