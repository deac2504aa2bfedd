import { checkFunction, checkNumber } from '../checks.js';
import { FailsoftError, invalid } from '../errors.js';
import { registryEmitter } from '../telemetry/emitter.js';
import type { StoreEvent, TransitionEvent, WarningEvent } from '../telemetry/events.js';
import type { SecondaryReading } from '../telemetry/secondary-reading.js';
import type { StoreReading } from '../telemetry/store-reading.js';
import { type ChainOptions, FallbackChain } from './chain/chain.js';
import { SecondaryCircuits } from './secondary/secondary-circuits.js';
import type { FallbackStrategy, Method } from './strategy.js';
import { checkWhen } from './when.js';

/** The chains of fallbacks, by method. A registry serves any number of guards and clients. */
export class FallbackRegistry {
  readonly #chains = new Map<string, FallbackChain>();
  readonly #events = registryEmitter();
  readonly #secondaries = new SecondaryCircuits(
    (event) => this.#events.emit('secondary', event),
    this.#events.warnings,
  );
  readonly #reporting = new Set<unknown>();
  #closed = false;

  /**
   * Registers the chain of a method.
   * @param method a `MethodDefinition`: ts-proto's (`Service.method`) or proto-loader's (`Client.service.Method`). The
   * strategies must answer with its response type; the compiler checks it.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT when the method has a chain already, or a strategy cannot serve it (a
   * default that cannot be encoded); FAILSOFT_CLOSED
   */
  register<Req, Res>(
    method: Method<Req, Res>,
    strategies: readonly FallbackStrategy<NoInfer<Req>, NoInfer<Res>>[],
    options?: ChainOptions,
  ): this {
    if (this.#closed) throw new FailsoftError('FAILSOFT_CLOSED', 'the fallback registry is closed');
    checkMethod(method);
    if (this.#chains.has(method.path))
      throw invalid(`fallbacks of ${method.path}`, 'to be registered once', 'a second chain');
    if (!Array.isArray(strategies))
      throw invalid(`fallbacks of ${method.path}`, 'an array of strategies', strategies);
    for (const [index, strategy] of strategies.entries())
      checkStrategy(`fallbacks of ${method.path}[${index}]`, strategy);
    const chain = new FallbackChain(method, strategies, options, this.#events.warnings);
    for (const strategy of strategies) {
      strategy.bind?.(method);
      if (this.#reporting.has(strategy)) continue;
      this.#reporting.add(strategy);
      this.#secondaries.add(strategy);
      strategy.reportStore?.((event: StoreEvent) => this.#events.emit('store', event));
      strategy.reportWarnings?.((event: WarningEvent) => this.#events.emit('warning', event));
    }
    this.#chains.set(method.path, chain);
    return this;
  }

  /** The chain of a method by its path (`/package.Service/Method`). */
  chainFor(path: string): FallbackChain | undefined {
    return this.#chains.get(path);
  }

  /**
   * Subscribes a listener to the changes of state of the stores and queues of its strategies. Guards with this registry emit them
   * as `store`.
   * @returns a function that unsubscribes it
   */
  onStore(listener: (event: StoreEvent) => void): () => void {
    return this.#events.on('store', checkFunction('onStore(listener)', listener));
  }

  /**
   * Subscribes a listener to the changes of state of the circuits that its strategies have around their own calls. Guards with
   * this registry emit them as `secondary`.
   * @returns a function that unsubscribes it
   */
  onSecondary(listener: (event: TransitionEvent) => void): () => void {
    return this.#events.on('secondary', checkFunction('onSecondary(listener)', listener));
  }

  /** The circuits that its strategies have around their own calls, each once. */
  secondaries(): SecondaryReading[] {
    return this.#secondaries.readings();
  }

  /** The counts and sizes of the strategies that keep answers or requests, each strategy once. */
  stores(): StoreReading[] {
    return [...this.#strategies].flatMap((strategy) => {
      try {
        const reading = strategy.storeReading?.();
        if (reading === undefined) return [];
        if (typeof reading?.store !== 'string' || typeof reading.method !== 'string')
          throw invalid('storeReading()', 'an object with `store` and `method`', reading);
        return reading;
      } catch (error) {
        this.#events.warnings.report(error, `storeReading of ${strategy.name}`);
        return [];
      }
    });
  }

  /**
   * Subscribes a listener to the errors of users' functions in its strategies. Guards with this registry emit them as `warning`.
   * @returns a function that unsubscribes it
   */
  onWarning(listener: (event: WarningEvent) => void): () => void {
    return this.#events.on('warning', checkFunction('onWarning(listener)', listener));
  }

  /**
   * All chains, by their methods' paths. Each chain, and each of its `strategies`, can be disabled while running.
   * @example for (const chain of fallbacks.chains().values()) chain.enabled = false; // no more fallbacks
   */
  chains(): ReadonlyMap<string, FallbackChain> {
    return new Map(this.#chains);
  }

  /**
   * Closes every strategy once, even if another strategy fails to close. Closing twice does nothing.
   * @throws AggregateError of the strategies' errors, as a rejection of the promise
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const closing = [...this.#strategies].map(async (strategy) => strategy.close?.());
    const failed = (await Promise.allSettled(closing)).filter((result) => result.status === 'rejected');
    if (failed.length > 0)
      throw new AggregateError(
        failed.map((result): unknown => result.reason),
        `${failed.length} fallback strategies did not close`,
      );
  }

  /** The strategies of all chains, each once. */
  get #strategies(): ReadonlySet<FallbackStrategy<unknown, unknown>> {
    return new Set([...this.#chains.values()].flatMap((chain) => chain.strategies));
  }
}

const METHOD_FUNCTIONS = [
  'requestSerialize',
  'requestDeserialize',
  'responseSerialize',
  'responseDeserialize',
] as const;

function checkMethod(method: Method<unknown, unknown>): void {
  if (typeof method !== 'object' || method === null || typeof method.path !== 'string')
    throw invalid('register.method', 'a method definition with a path', method);
  for (const name of METHOD_FUNCTIONS) checkFunction(`register.method.${name}`, method[name]);
}

function checkStrategy(field: string, strategy: FallbackStrategy<unknown, unknown>): void {
  if (typeof strategy !== 'object' || strategy === null)
    throw invalid(field, 'a fallback strategy', strategy);
  if (typeof strategy.name !== 'string' || strategy.name === '')
    throw invalid(`${field}.name`, 'a name', strategy.name);
  const at = `${field} (${strategy.name})`;
  checkFunction(`${at}.answer`, strategy.answer);
  checkWhen(`${at}.when`, strategy.when ?? 'always');
  checkNumber(`${at}.timeoutMs`, strategy.timeoutMs ?? Infinity, 1, Infinity);
  const share = checkNumber(`${at}.budgetShare`, strategy.budgetShare ?? 1, 0, 1);
  if (share === 0) throw invalid(`${at}.budgetShare`, 'a number above 0, up to 1', share);
}
