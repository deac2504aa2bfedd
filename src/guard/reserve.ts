/** Enough for a strategy that answers from memory, and so short that the primary would hardly answer in it. */
const MEMORY_MS = 20;
const MEMORY_SHARE = 0.1;
/** For strategies that make a call, for example of a second model, once it is known that the primary can do without this time. */
const CALLING_MS = 100;
const CALLING_SHARE = 0.2;
/** If the primary usually takes more than this share of the time that the longer reserve leaves, it gets the shorter reserve. */
const USUAL_SHARE = 0.5;
/** The largest share of a deadline that `fallbackReserveMs` may take. */
const LARGEST_SHARE = 0.5;

/**
 * The part of a deadline that is reserved for fallbacks, in milliseconds, so that a call which timed out gets its fallback before
 * its deadline.
 */
export interface Reserve {
  /**
   * @param budgetMs the time left until the deadline
   * @param calls whether a fallback makes a call
   * @param usualMs how long the primary usually takes; 0 while that is not known
   */
  of(budgetMs: number, calls: boolean, usualMs: number): number;
}

/** The reserve if `fallbackReserveMs` is set. */
export function fixedReserve(ms: number): Reserve {
  return { of: (budgetMs) => part(ms, budgetMs, LARGEST_SHARE) };
}

/** The reserve if `fallbackReserveMs` is not set. */
export const DEFAULT_RESERVE: Reserve = {
  of(budgetMs, calls, usualMs) {
    const callingMs = part(CALLING_MS, budgetMs, CALLING_SHARE);
    // A primary that needs nine tenths of the deadline would never answer in less, and so never become known.
    const isKnown = usualMs > 0;
    const hasTime = isKnown && usualMs <= (budgetMs - callingMs) * USUAL_SHARE;
    return calls && hasTime ? callingMs : part(MEMORY_MS, budgetMs, MEMORY_SHARE);
  },
};

function part(ms: number, budgetMs: number, share: number): number {
  return Math.min(ms, Math.max(0, budgetMs * share));
}
