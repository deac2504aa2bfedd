import { invalid } from '../../errors.js';
import { recode } from '../messages.js';
import type { Answer, Attempt, FallbackStrategy, Method } from '../strategy.js';

type Strategy = FallbackStrategy<unknown, unknown>;

/** What a chain came to. Every strategy asked and not answering is in `attempts`. */
export interface ChainOutcome {
  /** Undefined when no strategy answered. */
  readonly answer: Answer<unknown> | undefined;
  readonly attempts: readonly Attempt[];
}

/** What one strategy came to. */
export interface Said extends ChainOutcome {
  /** No other is to be asked. */
  readonly ended: boolean;
}

/** No answer, and why. */
export function not(
  result: Attempt['result'],
  strategy: Strategy,
  attempts: readonly Attempt[],
  error?: unknown,
): Said {
  const attempt: Attempt =
    error === undefined ? { strategy: strategy.name, result } : { strategy: strategy.name, result, error };
  return { answer: undefined, attempts: [...attempts, attempt], ended: false };
}

/** What a strategy gave, judged: an answer of the method, or a failed attempt. Never throws. */
export function accept(
  method: Method<unknown, unknown>,
  strategy: Strategy,
  given: Answer<unknown> | undefined,
  attempts: readonly Attempt[],
): Said {
  if (given === undefined) return not('declined', strategy, attempts);
  try {
    return { answer: checked(method, strategy, given), attempts, ended: true };
  } catch (error) {
    return not('failed', strategy, attempts, error);
  }
}

/** A strategy may be anybody's code, whatever its types say. */
function checked(
  method: Method<unknown, unknown>,
  strategy: Strategy,
  given: Answer<unknown>,
): Answer<unknown> {
  if (typeof given !== 'object' || given === null || typeof given.source !== 'string' || given.source === '')
    throw invalid(`the answer of ${strategy.name}`, 'undefined or {message, source}', given);
  return strategy.decoded === true ? given : { ...given, message: recode(method, given.message) };
}
