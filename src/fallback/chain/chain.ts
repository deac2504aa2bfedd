import { checkInteger, checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import { isStream } from '../messages.js';
import type { Answer, Attempt, Cause, FallbackStrategy, Method, PrimaryAnswer } from '../strategy.js';
import { type AbortCause, AskedContext, type ChainContext } from './context.js';
import { accept, type ChainOutcome, not, type Said } from './strategy-result.js';

export type { ChainOutcome } from './strategy-result.js';

/** Settings of a method's chain. */
export interface ChainOptions {
  /**
   * The most calls that may wait for a fallback at a time. Over it, strategies that make the caller wait are skipped,
   * those that answer at once are not: a storm of fallbacks must not take the caller down. @default 1024
   */
  readonly maxConcurrent?: number;
  /** Whether it answers at all; can be switched while running. @default true */
  readonly enabled?: boolean;
}

type Strategy = FallbackStrategy<unknown, unknown>;

const NO_ATTEMPTS: readonly Attempt[] = Object.freeze([]);

/** The strategies of one method, asked in order until one answers. Made by `FallbackRegistry.register`. */
export class FallbackChain {
  readonly strategies: readonly Strategy[];
  readonly maxConcurrent: number;
  /** Whether a strategy looks at the request: a copy of what was sent must be there. */
  readonly readsCall: boolean;
  /** Can be switched while running: a chain that is off asks no strategy (any more), and keeps nothing. */
  enabled: boolean;
  readonly #method: Method<unknown, unknown>;
  readonly #keepers: readonly Strategy[];
  #waiting = 0;
  #keepFailures = 0;

  constructor(method: Method<unknown, unknown>, strategies: readonly Strategy[], options: ChainOptions = {}) {
    const field = `fallbacks of ${method.path}`;
    checkKeys(field, options, ['maxConcurrent', 'enabled']);
    if (options.enabled !== undefined && typeof options.enabled !== 'boolean')
      throw invalid(`${field}.enabled`, 'a boolean', options.enabled);
    this.enabled = options.enabled ?? true;
    this.maxConcurrent = checkInteger(`${field}.maxConcurrent`, options.maxConcurrent ?? 1024, 0);
    this.strategies = Object.freeze([...strategies]);
    this.readsCall = strategies.some((strategy) => strategy.readsCall !== false);
    this.#method = method;
    this.#keepers = strategies.filter((strategy) => strategy.keep !== undefined);
  }

  /** A request of the method from its bytes. */
  decodeRequest(bytes: Buffer): unknown {
    return this.#method.requestDeserialize(bytes);
  }

  /** How many calls wait for a strategy of this chain now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How often a strategy's `keep` threw. */
  get keepFailures(): number {
    return this.#keepFailures;
  }

  /** Whether a strategy would be asked for this cause now. */
  serves(kind: Cause['kind']): boolean {
    if (!this.enabled) return false;
    for (const strategy of this.strategies) {
      if (strategy.enabled !== false && isFor(strategy, kind)) return strategy.stops !== true;
    }
    return false;
  }

  /** Whether good answers of the primary are to be given to {@link keep} now. */
  get keeps(): boolean {
    return this.enabled && this.#keepers.length > 0;
  }

  /** Shows a good answer to the strategies that keep answers. Never throws. */
  keep(answer: PrimaryAnswer<unknown, unknown>): void {
    for (const strategy of this.#keepers) {
      if (strategy.enabled === false) continue;
      try {
        strategy.keep?.(answer);
      } catch {
        this.#keepFailures++; // a good answer must not fail because it could not be kept
      }
    }
  }

  /** Asks the strategies in order. Settles at once when none that is asked makes the caller wait. Never throws or rejects. */
  run(context: ChainContext): ChainOutcome | Promise<ChainOutcome> {
    return this.enabled
      ? this.#askFrom(0, context, NO_ATTEMPTS)
      : { answer: undefined, attempts: NO_ATTEMPTS };
  }

  #askFrom(
    first: number,
    context: ChainContext,
    before: readonly Attempt[],
  ): ChainOutcome | Promise<ChainOutcome> {
    let attempts = before;
    for (let index = first; index < this.strategies.length; index++) {
      const strategy = this.strategies[index];
      if (strategy === undefined || !isFor(strategy, context.cause.kind)) continue;
      const given = this.#ask(strategy, context, attempts);
      if ('then' in given) return given.then((said) => this.#goOn(index, said, context));
      if (given.ended) return given;
      attempts = given.attempts;
    }
    return { answer: undefined, attempts };
  }

  #goOn(index: number, said: Said, context: ChainContext): ChainOutcome | Promise<ChainOutcome> {
    return said.ended || !this.enabled ? said : this.#askFrom(index + 1, context, said.attempts);
  }

  #ask(strategy: Strategy, context: ChainContext, attempts: readonly Attempt[]): Said | Promise<Said> {
    if (strategy.enabled === false) return not('disabled', strategy, attempts);
    if (strategy.stops === true) return { ...not('stopped', strategy, attempts), ended: true };
    if (strategy.waits === true) {
      const skipped = this.#mayNotWait(context);
      if (skipped !== undefined) return not(skipped, strategy, attempts);
    }
    const asked = new AskedContext(
      context,
      attempts,
      strategy.timeoutMs ?? Infinity,
      strategy.budgetShare ?? 1,
    );
    let given: Answer<unknown> | undefined | Promise<Answer<unknown> | undefined>;
    try {
      const answered = strategy.answer(asked);
      // A promise of its own, where it is not one already: `then` of something else may do anything.
      given = isThenable(answered) ? Promise.resolve(answered) : answered;
    } catch (error) {
      return not('failed', strategy, attempts, error);
    }
    if (!(given instanceof Promise)) {
      const said = accept(this.#method, strategy, given, attempts);
      // What is read later still has to hear that nobody reads it any more.
      if (said.answer !== undefined && isStream(this.#method, said.answer.message))
        context.onAbort((cause) => asked.abort(cause));
      return said;
    }
    const skipped = strategy.waits === true ? undefined : this.#mayNotWait(context);
    if (skipped !== undefined) {
      asked.abort('deadline');
      given.then(undefined, ignoreLate);
      return not(skipped, strategy, attempts);
    }
    return this.#wait(strategy, given, asked, context, attempts);
  }

  #mayNotWait(context: ChainContext): 'capped' | 'timed-out' | undefined {
    if (this.#waiting >= this.maxConcurrent) return 'capped';
    return context.remainingMs > 0 ? undefined : 'timed-out';
  }

  /** The only place that costs a promise and a timer. Its place is given back when its time is over, even if it hangs on. */
  #wait(
    strategy: Strategy,
    given: Promise<Answer<unknown> | undefined>,
    asked: AskedContext,
    context: ChainContext,
    attempts: readonly Attempt[],
  ): Promise<Said> {
    this.#waiting++;
    return new Promise((resolve) => {
      let over = false;
      let stopTimer = () => {};
      let stopListening = () => {};
      const end = (said: Said) => {
        over = true;
        this.#waiting--;
        stopTimer();
        resolve(said);
      };
      const abort = (cause: AbortCause) => {
        asked.abort(cause); // also after the answer: a stream may still run
        if (over) return;
        if (cause === 'deadline') end(not('timed-out', strategy, attempts));
        else end({ ...not('failed', strategy, attempts), ended: true });
      };
      const budgetMs = asked.budgetMs;
      // The deadline itself is the interceptor's to watch: it comes by onAbort.
      if (budgetMs < context.remainingMs) {
        stopTimer = context.clock.setTimer(() => {
          stopListening();
          abort('deadline');
        }, budgetMs);
      }
      stopListening = context.onAbort(abort);
      given.then(
        (answer) => {
          if (over) return;
          const said = accept(this.#method, strategy, answer, attempts);
          if (said.answer === undefined || !isStream(this.#method, said.answer.message)) stopListening();
          end(said);
        },
        (error: unknown) => {
          if (over) return;
          stopListening();
          end(not('failed', strategy, attempts, error));
        },
      );
    });
  }
}

function isFor(strategy: Strategy, kind: Cause['kind']): boolean {
  return strategy.when === undefined || strategy.when === 'always' || strategy.when === kind;
}

function isThenable(value: unknown): value is PromiseLike<Answer<unknown> | undefined> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** A strategy that was dropped may still reject; its attempt is recorded already. */
function ignoreLate(): void {}
