// imported, because the global `performance` is a getter: reading the clock through it takes a quarter longer
import { performance } from 'node:perf_hooks';

/**
 * The only source of time. All measured durations, waits and expiry times of failsoft come from a clock, so that a
 * test can move time by hand (`ManualClock` in `failsoft/testing`).
 */
export interface Clock {
  /**
   * Milliseconds for durations and time limits within this process. Monotonic: a change of the wall clock does not move
   * it. It stands still while the machine sleeps, so times that leave the process come from `epochMs()`.
   */
  now(): number;
  /** Milliseconds since the Unix epoch: for what is stored, sent, or shown to people. Jumps when the wall clock is set. */
  epochMs(): number;
  /**
   * Runs `callback` once after `delayMs`.
   * @param background true: the timer does not keep the process alive. A clock may ignore this. @default false
   * @returns a function that cancels the timer; it does nothing once the timer has run or is cancelled
   */
  setTimer(callback: () => void, delayMs: number, background?: boolean): () => void;
  /** The event loop that the timers run in. Without it, failsoft takes a stalled process for a slow server. */
  readonly loop?: EventLoop;
}

/** What an event loop has done since it began. */
export interface EventLoop {
  /** How long the loop has been idle, in milliseconds. */
  idleMs(): number;
  /** How many turns the loop has made. */
  turns(): number;
}

/** Node drops delays above this to 1 ms; a longer wait is cut into pieces. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

const origin = performance.timeOrigin;

/** The clock of the running process: `performance.now()` on the epoch's scale, and Node's timers. */
export const systemClock: Clock = {
  now: () => origin + performance.now(),
  epochMs: () => Date.now(),
  setTimer: (callback, delayMs, background = false) => {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const stepMs = Math.min(leftMs, LONGEST_TIMEOUT_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs);
      if (background) timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
  ...(performance.nodeTiming?.uvMetricsInfo !== undefined && { loop: nodeLoop() }),
};

/** Both readings together take 0.2 microseconds. */
function nodeLoop(): EventLoop {
  const { nodeTiming } = performance;
  return { idleMs: () => nodeTiming.idleTime, turns: () => nodeTiming.uvMetricsInfo.loopCount };
}
