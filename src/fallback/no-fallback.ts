import { checkKeys } from '../checks.js';
import type { FallbackStrategy, When } from './strategy.js';
import { checkWhen } from './when.js';

/** Options of {@link noFallback}. */
export interface NoFallbackOptions {
  /** The causes for which the chain ends. @default 'always' */
  readonly when?: When;
}

/**
 * Ends the chain, so that the caller gets the primary's status or the rejection at once. Use it where a stale or crude answer is
 * worse than an error: for orders, doses and other actions that no person checks. Strategies after it are never asked.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function noFallback(options: NoFallbackOptions = {}): FallbackStrategy<unknown, never> {
  checkKeys('noFallback', options, ['when']);
  return {
    name: 'no-fallback',
    when: checkWhen('noFallback.when', options.when ?? 'always'),
    stops: true,
    readsCall: false,
    answer: () => undefined,
  };
}
