import { checkFunction, checkKeys } from '../../checks.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Answer, FallbackContext } from '../strategy.js';
import {
  CallingStrategy,
  PROTECTED_STRATEGY_KEYS,
  type ProtectedStrategy,
  type ProtectedStrategyOptions,
  sourceNamed,
} from './protected-strategy.js';

/** Options of {@link answerWith}. */
export interface AnswerWithOptions extends ProtectedStrategyOptions {
  /** Gives the outcome of an error that the function threw. @default every error is a `failure` */
  readonly classify?: (error: unknown) => Outcome;
}

/** Returns the answer, or undefined to decline. The function should stop when `context.signal` aborts. */
export type AnswerFunction<Req, Res> = (
  context: FallbackContext<Req>,
) => Res | undefined | PromiseLike<Res | undefined>;

/**
 * Answers with the result of a function, with source `secondary:<name>`: the function fetches from an HTTP model endpoint, for
 * example, or reads a feature store or a table. Its calls have a circuit and a concurrency limit of their own, as those of
 * {@link secondaryModel} have.
 * @example
 * answerWith('http', async ({ request, signal }) => {
 *   const response = await fetch(url, { method: 'POST', body: JSON.stringify(toJson(request)), signal });
 *   if (!response.ok) throw new Error(`HTTP ${response.status}`);
 *   return fromJson(await response.json());
 * }, { budgetShare: 0.5 })
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED by the engine
 */
export function answerWith<Req, Res>(
  name: string,
  fn: AnswerFunction<Req, Res>,
  options: AnswerWithOptions = {},
): ProtectedStrategy<Req, Res> {
  return new AnsweringFunction(name, fn, options);
}

class AnsweringFunction<Req, Res> extends CallingStrategy<Req, Res> {
  readonly #fn: AnswerFunction<Req, Res>;
  readonly #classify: ((error: unknown) => Outcome) | undefined;

  constructor(name: string, fn: AnswerFunction<Req, Res>, options: AnswerWithOptions) {
    checkKeys('answerWith', options, [...PROTECTED_STRATEGY_KEYS, 'classify']);
    super(sourceNamed('answerWith.name', name), options);
    this.#fn = checkFunction(`${this.name}.fn`, fn);
    this.#classify = options.classify && checkFunction(`${this.name}.classify`, options.classify);
  }

  /** Throws at once if its circuit or its limit rejects the call: the next strategy is asked in the same turn. */
  answer(context: FallbackContext<Req>): Promise<Answer<Res> | undefined> {
    const hasTooLittleTime = this.hasTooLittleTime(context);
    const admission = this.begin();
    const { signal } = context;
    // A function that ignores its signal still frees its place when its caller has gone.
    const abort = () => admission.end(this.outcomeOfAbort(signal, hasTooLittleTime));
    signal.addEventListener('abort', abort, { once: true });
    const asked = (async () => this.#fn(context))();
    return asked
      .then(
        (message) => {
          admission.end('success');
          return message === undefined ? undefined : { message, source: this.name };
        },
        (error: unknown) => {
          admission.end(
            signal.aborted ? this.outcomeOfAbort(signal, hasTooLittleTime) : this.#outcomeOf(error),
          );
          throw error;
        },
      )
      .finally(() => signal.removeEventListener('abort', abort));
  }

  #outcomeOf(error: unknown): Outcome {
    try {
      return this.#classify?.(error) ?? 'failure';
    } catch (thrown) {
      this.warnOfClassify(thrown);
      return 'failure';
    }
  }
}
