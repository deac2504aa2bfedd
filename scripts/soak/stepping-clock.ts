import { type Clock, systemClock } from '../../src/index.js';

const HOUR_MS = 3_600_000;

/** The system's clock, but its wall clock is set an hour ahead, an hour back, or right again. */
export class SteppingClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return systemClock.now();
  }

  epochMs(): number {
    return systemClock.epochMs() + this.#aheadMs;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    return systemClock.setTimer(callback, delayMs);
  }

  /** Moves the wall clock by an hour, either way, and never more than an hour away from the right time. */
  step(random: () => number): void {
    if (this.#aheadMs !== 0) this.#aheadMs = 0;
    else this.#aheadMs = random() < 0.5 ? HOUR_MS : -HOUR_MS;
  }
}
