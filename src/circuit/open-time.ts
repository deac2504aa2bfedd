import type { ResolvedOpen } from './options/resolve.js';

/**
 * How long the circuit stays open, in milliseconds.
 * @param openings how often it has opened since it was last closed, including this time
 */
export function openTimeMs(open: ResolvedOpen, openings: number, random: () => number): number {
  const fullMs = Math.min(open.maxMs, open.baseMs * open.multiplier ** (openings - 1));
  switch (open.jitter) {
    case 'none':
      return fullMs;
    case 'full':
      return fullMs * random();
    case 'equal':
      return fullMs / 2 + (fullMs / 2) * random();
  }
}

/** A server's push-back in milliseconds, at most `maxPushbackMs`; 0 for anything that is not a positive number. */
export function cappedPushbackMs(open: ResolvedOpen, pushbackMs: number | undefined): number {
  return pushbackMs !== undefined && pushbackMs > 0 ? Math.min(pushbackMs, open.maxPushbackMs) : 0;
}
