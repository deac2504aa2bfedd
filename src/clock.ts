/**
 * The one source of time. Everything in failsoft that measures, waits or expires does it through a clock, so that a
 * test can move time by hand (`ManualClock` in `failsoft/testing`).
 */
export interface Clock {
  /**
   * Milliseconds since the Unix epoch, monotonic within a process: a change of the wall clock does not move it.
   */
  now(): number;
  /**
   * Runs `callback` once after `delayMs`.
   * @returns a function that cancels it; cancelling twice, or after it ran, does nothing.
   */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** Node drops delays above this to 1 ms; a longer wait is cut into pieces. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

const origin = performance.timeOrigin;

/** The clock of the running process: `performance.now()` on the epoch's scale, and Node's timers. */
export const systemClock: Clock = {
  now: () => origin + performance.now(),
  setTimer: (callback, delayMs) => {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const stepMs = Math.min(leftMs, LONGEST_TIMEOUT_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs);
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
