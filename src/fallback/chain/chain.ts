import { checkBoolean, checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { Warnings } from '../../telemetry/warnings.js';
import { isThenable } from '../../thenable.js';
import { isStream } from '../messages.js';
import type { Answer, Attempt, Cause, FallbackStrategy, Method, PrimaryAnswer } from '../strategy.js';
import { isFor } from '../when.js';
import { CallContext } from './call-context.js';
import type { ChainCall } from './chain-call.js';
import { SlowBudget } from './slow-budget.js';
import { type ChainResult, judge, noAnswer, type StrategyResult } from './strategy-result.js';
import { StrategyScope } from './strategy-scope.js';
import { StrategyWaits } from './strategy-waits.js';

export type { ChainResult } from './strategy-result.js';

/** Settings of a method's chain. */
export interface ChainOptions {
  /**
   * Most calls that wait for a fallback at a time, so that a storm of fallbacks does not take the caller down. Above it,
   * only strategies that answer at once are asked. @default 1024
   */
  readonly maxConcurrent?: number;
  /**
   * The largest share of the method's calls, from 0 to 1, for which strategies that call something (`waits: true`:
   * `secondaryModel`, `answerWith`) are asked because the call is slow (`fallbackAfterMs`). When the model is slow as a whole,
   * the other slow calls wait for the model, so that the secondary does not get its whole load. Strategies that answer from
   * memory are asked for every slow call. @default 0.1
   */
  readonly slowShare?: number;
  /** Whether the chain answers; can be changed while running. @default true */
  readonly enabled?: boolean;
}

type Strategy = FallbackStrategy<unknown, unknown>;

const NO_ATTEMPTS: readonly Attempt[] = Object.freeze([]);

/** The strategies of a method, asked in order until one of them answers. Made by `FallbackRegistry.register`. */
export class FallbackChain {
  /** In the order in which they are asked. */
  readonly strategies: readonly Strategy[];
  /** Whether a strategy reads the request, so that the call must keep a copy of its messages. */
  readonly readsCall: boolean;
  /** Limits how often slow calls ask strategies that call something. */
  readonly #slowBudget: SlowBudget;
  /** Can be changed while running. A disabled chain asks no strategy and keeps no answers. */
  enabled: boolean;
  readonly #method: Method<unknown, unknown>;
  readonly #waits: StrategyWaits;
  readonly #keepers: readonly Strategy[];
  readonly #warnings: Warnings;
  #keepFailures = 0;

  constructor(
    method: Method<unknown, unknown>,
    strategies: readonly Strategy[],
    options: ChainOptions = {},
    warnings = new Warnings(),
  ) {
    const field = `fallbacks of ${method.path}`;
    checkKeys(field, options, ['maxConcurrent', 'slowShare', 'enabled']);
    const { enabled = true } = options;
    this.enabled = checkBoolean(`${field}.enabled`, enabled);
    const maxConcurrent = checkInteger(`${field}.maxConcurrent`, options.maxConcurrent ?? 1024, 0);
    this.#waits = new StrategyWaits(method, maxConcurrent);
    this.#slowBudget = new SlowBudget(checkNumber(`${field}.slowShare`, options.slowShare ?? 0.1, 0, 1));
    this.strategies = Object.freeze([...strategies]);
    this.readsCall = strategies.some((strategy) => strategy.readsCall !== false);
    this.#method = method;
    this.#warnings = warnings;
    this.#keepers = strategies.filter((strategy) => strategy.keep !== undefined);
  }

  /** Encodes a request of the method. */
  encodeRequest(request: unknown): Buffer {
    return this.#method.requestSerialize(request);
  }

  /** Decodes a request of the method. */
  decodeRequest(bytes: Buffer): unknown {
    return this.#method.requestDeserialize(bytes);
  }

  /** Whether a client that decodes with this function gets the same objects as the strategies of this chain. */
  isDecoder(responseDeserialize: unknown): boolean {
    return responseDeserialize === this.#method.responseDeserialize;
  }

  /** Number of calls that wait for a strategy of this chain now. */
  get waiting(): number {
    return this.#waits.count;
  }

  /** The most calls that wait for a strategy at a time. */
  get maxConcurrent(): number {
    return this.#waits.most;
  }

  /** Number of times that a strategy's `keep` threw. */
  get keepFailures(): number {
    return this.#keepFailures;
  }

  /** Counts a call of the method when it begins: each call adds to the budget of the slow calls (`slowShare`). */
  countCall(): void {
    this.#slowBudget.earn();
  }

  /** Whether a strategy would be asked for this cause now. */
  serves(kind: Cause['kind']): boolean {
    if (!this.enabled) return false;
    for (const strategy of this.strategies) {
      if (strategy.enabled !== false && isFor(strategy.when, kind)) return strategy.stops !== true;
    }
    return false;
  }

  /** Whether a strategy that calls something would be asked for this cause, be it the first strategy or a later one. */
  calls(kind: Cause['kind']): boolean {
    if (!this.enabled) return false;
    for (const strategy of this.strategies) {
      if (strategy.enabled === false || !isFor(strategy.when, kind)) continue;
      if (strategy.stops === true) return false;
      if (strategy.waits === true) return true;
    }
    return false;
  }

  /** Whether a strategy keeps good answers of the primary, so that {@link keep} must be called. */
  get keeps(): boolean {
    return this.enabled && this.#keepers.length > 0;
  }

  /** Offers a good answer to the strategies that keep answers. Never throws. */
  keep(answer: PrimaryAnswer<unknown, unknown>): void {
    for (const strategy of this.#keepers) {
      if (strategy.enabled === false) continue;
      try {
        strategy.keep?.(answer);
      } catch (error) {
        this.#keepFailures++; // a call must not fail because its answer could not be kept
        this.#warnings.report(error, `keep() of ${strategy.name} for ${this.#method.path}`);
      }
    }
  }

  /** Asks the strategies in order. Settles at once when no strategy makes the caller wait. Never throws or rejects. */
  run(call: ChainCall): ChainResult | Promise<ChainResult> {
    return this.enabled ? this.#askFrom(0, call, NO_ATTEMPTS) : { answer: undefined, attempts: NO_ATTEMPTS };
  }

  #askFrom(first: number, call: ChainCall, before: readonly Attempt[]): ChainResult | Promise<ChainResult> {
    let attempts = before;
    for (let index = first; index < this.strategies.length; index++) {
      const strategy = this.strategies[index];
      if (strategy === undefined || !isFor(strategy.when, call.cause.kind)) continue;
      const result = this.#ask(strategy, call, attempts);
      if (result instanceof Promise) return this.#goOnAfter(result, index, call);
      if (result.ended) return result;
      attempts = result.attempts;
    }
    return { answer: undefined, attempts };
  }

  /** A function of its own: a closure in `#askFrom()` would cost each call an object that holds the variables. */
  #goOnAfter(result: Promise<StrategyResult>, index: number, call: ChainCall): Promise<ChainResult> {
    return result.then((later) => this.#goOn(index, later, call));
  }

  #goOn(index: number, result: StrategyResult, call: ChainCall): ChainResult | Promise<ChainResult> {
    return result.ended || !this.enabled ? result : this.#askFrom(index + 1, call, result.attempts);
  }

  #ask(
    strategy: Strategy,
    call: ChainCall,
    attempts: readonly Attempt[],
  ): StrategyResult | Promise<StrategyResult> {
    if (strategy.enabled === false) return noAnswer('disabled', strategy, attempts);
    if (strategy.stops === true) return { ...noAnswer('stopped', strategy, attempts), ended: true };
    if (strategy.waits === true) {
      const skipped = this.#waits.reasonNotToWait(call);
      if (skipped !== undefined) return noAnswer(skipped, strategy, attempts);
    }
    const paid = strategy.waits === true && call.cause.kind === 'slow';
    if (paid && !this.#slowBudget.spend()) return noAnswer('capped', strategy, attempts);
    const scope = new StrategyScope(
      call,
      attempts,
      strategy.timeoutMs ?? Infinity,
      strategy.budgetShare ?? 1,
      !this.#hasAnother(strategy, call.cause.kind),
    );
    let given: Answer<unknown> | undefined | Promise<Answer<unknown> | undefined>;
    try {
      const answered = strategy.answer(new CallContext(call, scope));
      // Wraps a foreign thenable in a real promise: its `then` may do anything.
      given = isThenable(answered) ? Promise.resolve(answered) : answered;
    } catch (error) {
      if (paid) this.#slowBudget.refund();
      return noAnswer('failed', strategy, attempts, error);
    }
    if (!(given instanceof Promise)) {
      if (paid) this.#slowBudget.refund();
      const result = judge(this.#method, strategy, given, attempts);
      // A stream is read later: its signal must still abort when the caller has gone.
      if (result.answer !== undefined && isStream(this.#method, result.answer.message))
        abortWith(call, scope);
      return result;
    }
    const skipped = strategy.waits === true ? undefined : this.#waits.reasonNotToWait(call);
    if (skipped !== undefined) {
      scope.abort('deadline');
      given.then(undefined, ignoreLate);
      return noAnswer(skipped, strategy, attempts);
    }
    return this.#waits.wait(strategy, given, scope, call);
  }

  /** Whether a strategy behind this one would be asked. */
  #hasAnother(strategy: Strategy, kind: Cause['kind']): boolean {
    for (let index = this.strategies.indexOf(strategy) + 1; index < this.strategies.length; index++) {
      const next = this.strategies[index];
      if (next !== undefined && next.enabled !== false && isFor(next.when, kind)) return next.stops !== true;
    }
    return false;
  }
}

function abortWith(call: ChainCall, scope: StrategyScope): void {
  call.onAbort((cause) => scope.abort(cause));
}

/** A dropped strategy may still reject; its attempt is recorded already. */
function ignoreLate(): void {}
