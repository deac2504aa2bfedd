// not the global, a getter, which makes a reading a quarter dearer
import { performance } from 'node:perf_hooks';

/**
 * The one source of time. Everything in failsoft that measures, waits or expires does it through a clock, so that a
 * test can move time by hand (`ManualClock` in `failsoft/testing`).
 */
export interface Clock {
  /**
   * Milliseconds for durations and time limits within this process. Monotonic: a change of the wall clock does not move
   * it. It stands still while the machine sleeps, so nothing that leaves the process is stamped with it.
   */
  now(): number;
  /** Milliseconds since the Unix epoch: for what is stored, sent, or shown to people. Jumps when the wall clock is set. */
  epochMs(): number;
  /**
   * Runs `callback` once after `delayMs`.
   * @param background true: waiting for it keeps no process alive. A clock may ignore it. @default false
   * @returns a function that cancels it; cancelling twice, or after it ran, does nothing.
   */
  setTimer(callback: () => void, delayMs: number, background?: boolean): () => void;
  /** The event loop that the timers run in. Without it, a process that stands still is not told from a slow server. */
  readonly loop?: EventLoop;
}

/** What an event loop has done since it began. */
export interface EventLoop {
  /** How long it has waited for something to do, in milliseconds. */
  idleMs(): number;
  /** How many turns it has made. */
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
