import { checkKeys, checkOneOf } from '../checks.js';
import type { FallbackStrategy, When } from './strategy.js';

/** Options of {@link fail}. */
export interface NoFallbackOptions {
  /** @default 'always' */
  readonly when?: When;
}

/**
 * Explicitly no fallback: ends the chain, and the caller gets the primary's status or the rejection at once. For callers
 * for whom a stale or crude answer is worse than none (orders, dosages, anything that acts on the answer by itself).
 * Strategies after it are never asked.
 */
export function noFallback(options: NoFallbackOptions = {}): FallbackStrategy<unknown, never> {
  checkKeys('fail', options, ['when']);
  return {
    name: 'fail',
    when: checkOneOf('fail.when', options.when ?? 'always', ['rejected', 'failed', 'always']),
    stops: true,
    readsCall: false,
    answer: () => undefined,
  };
}
