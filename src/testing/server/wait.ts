import type { Clock } from '../../clock.js';

/** Waits for `ms` milliseconds (Infinity: for ever), or until the signal aborts. */
export function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      stopTimer();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const stopTimer = ms === Infinity ? () => {} : clock.setTimer(end, ms);
    signal.addEventListener('abort', end);
  });
}
