import { invalid } from '../../errors.js';
import { recode } from '../messages.js';
import type { Answer, Attempt, FallbackStrategy, Method } from '../strategy.js';

type Strategy = FallbackStrategy<unknown, unknown>;

/** The end of a chain's run. Every strategy that was asked and did not answer is in `attempts`. */
export interface ChainResult {
  /** Undefined when no strategy answered. */
  readonly answer: Answer<unknown> | undefined;
  /** The array and each attempt are frozen, so that no strategy can change them. */
  readonly attempts: readonly Attempt[];
}

/** The result of a strategy. */
export interface StrategyResult extends ChainResult {
  /** Whether the chain ends here, and no further strategy is asked. */
  readonly ended: boolean;
}

/** The result of a strategy that gave no answer. */
export function noAnswer(
  result: Attempt['result'],
  strategy: Strategy,
  attempts: readonly Attempt[],
  error?: unknown,
): StrategyResult {
  const attempt: Attempt =
    error === undefined ? { strategy: strategy.name, result } : { strategy: strategy.name, result, error };
  return {
    answer: undefined,
    attempts: Object.freeze([...attempts, Object.freeze(attempt)]),
    ended: false,
  };
}

/** Checks the result of a strategy: a valid answer of the method, or a failed attempt. Never throws. */
export function judge(
  method: Method<unknown, unknown>,
  strategy: Strategy,
  given: Answer<unknown> | undefined,
  attempts: readonly Attempt[],
): StrategyResult {
  if (given === undefined) return noAnswer('declined', strategy, attempts);
  try {
    return { answer: checked(method, strategy, given), attempts, ended: true };
  } catch (error) {
    return noAnswer('failed', strategy, attempts, error);
  }
}

/** A strategy is user code, which may not do what its types promise. */
function checked(
  method: Method<unknown, unknown>,
  strategy: Strategy,
  given: Answer<unknown>,
): Answer<unknown> {
  if (typeof given !== 'object' || given === null || typeof given.source !== 'string' || given.source === '')
    throw invalid(`the answer of ${strategy.name}`, 'undefined or {message, source}', given);
  return strategy.decoded === true ? given : { ...given, message: recode(method, given.message) };
}
