import type { ResolvedOpen } from './options.js';

/** For how long the circuit stays open at its `attempt`th opening (from 1) since it was last fully recovered. */
export function openTimeMs(open: ResolvedOpen, attempt: number, random: () => number): number {
  const fullMs = Math.min(open.maxMs, open.baseMs * open.multiplier ** (attempt - 1));
  switch (open.jitter) {
    case 'none':
      return fullMs;
    case 'full':
      return fullMs * random();
    case 'equal':
      return fullMs / 2 + (fullMs / 2) * random();
  }
}

/** How long a server's push-back is heard: nothing that is not a positive number, and never more than the cap. */
export function heardPushbackMs(open: ResolvedOpen, pushbackMs: number | undefined): number {
  return pushbackMs !== undefined && pushbackMs > 0 ? Math.min(pushbackMs, open.maxPushbackMs) : 0;
}
