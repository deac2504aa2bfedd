import { type ClientOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { Connection } from '../call/connection.js';
import { GuardedCall } from '../call/guarded-call.js';
import { isGuardedBy } from '../call/guarded-mark.js';
import { LoopWatch } from '../call/loop-watch.js';
import type { MethodGuard } from '../call/method-guard.js';
import type {
  CallAnswer,
  CallDefinition,
  CallShape,
  GuardCallOptions,
  PrimaryContext,
} from '../call/neutral/call-types.js';
import type { GuardedStream } from '../call/neutral/guarded-stream.js';
import type { OpenCall } from '../call/neutral/open-call.js';
import { checkFunction, checkInteger, checkKeys, checkOneOf } from '../checks.js';
import { checkSnapshot } from '../circuit/index.js';
import type { Circuit, CircuitMode, CircuitSnapshot, ExecuteOptions, Rejection } from '../circuit/types.js';
import { type Clock, systemClock } from '../clock.js';
import type { Engine } from '../engines/engine.js';
import { nativeEngine } from '../engines/native.js';
import { FailsoftError, invalid, isFailsoftError } from '../errors.js';
import type { FallbackRegistry } from '../fallback/registry.js';
import { splitKey } from '../key/circuit-key.js';
import { asKeyPart } from '../key/key-part.js';
import { type ProvenanceMemory, provenanceMemory } from '../status/provenance.js';
import type { AnswerCount } from '../telemetry/answers.js';
import { type AttemptCount, AttemptCounts } from '../telemetry/attempts.js';
import { CallObservers, type ObserveCall } from '../telemetry/call-observers.js';
import type { ProbeCount, TransitionCount } from '../telemetry/counts.js';
import { guardEmitter, type Listener } from '../telemetry/emitter.js';
import {
  GUARD_EVENTS,
  type GuardEvents,
  type IsolationEvent,
  type TransitionEvent,
} from '../telemetry/events.js';
import type { StoreReading } from '../telemetry/store-reading.js';
import { checkCallOptions, NO_CALL_OPTIONS } from './call-options.js';
import type { Slot } from './circuit-line.js';
import { CircuitRegistry } from './circuit-registry.js';
import { guardedOptions } from './client-options.js';
import { executeCall } from './execute-call.js';

import {
  type CircuitSettings,
  GUARD_OPTION_KEYS,
  type Guard,
  type GuardOptions,
  type GuardSettings,
  SETTING_KEYS,
} from './guard-options.js';
import { SettingsResolver } from './method-settings.js';

import { NeutralCalls } from './neutral-calls.js';

import { Recoveries } from './recoveries.js';

/** So many names of calls are remembered: a name may be a caller's text. */
const MOST_METHODS = 1000;

/**
 * Makes a guard. Without options, every model that requests name has a circuit with the defaults of the README, and every other
 * method has one.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or FAILSOFT_UNSUPPORTED, naming the option
 */
export function createGuard(options: GuardOptions = {}): Guard {
  return new InterceptorGuard(options);
}

class InterceptorGuard implements Guard {
  readonly interceptor: Interceptor;
  readonly #engine: Engine;
  #settings: SettingsResolver;
  readonly #registry: CircuitRegistry;
  readonly #fallbacks: FallbackRegistry | undefined;
  readonly #clock: Clock;
  readonly #loop: LoopWatch;
  readonly #events = guardEmitter();
  readonly #observers = new CallObservers(this.#events);
  readonly #attempts = new AttemptCounts();
  readonly #mark = Object.freeze([this]);
  readonly #provenance: ProvenanceMemory | undefined;
  readonly #recoveries: Recoveries;
  /** The interceptors that this guard has made. */
  readonly #own = new WeakSet<Interceptor>();
  #unsubscribe: () => void = () => {};
  readonly #calls: NeutralCalls;
  readonly #neutralMethods = new Map<string, MethodGuard>();
  #neutralSettings: SettingsResolver | undefined;
  #closed = false;

  constructor(options: GuardOptions) {
    checkKeys('options', options, GUARD_OPTION_KEYS);
    const {
      methods = [],
      fallbacks,
      rememberProvenance = false,
      engine = nativeEngine,
      maxCircuits = 1_000,
      clock,
      random,
      ...general
    } = options;
    if (typeof engine?.configure !== 'function') throw invalid('options.engine', 'an engine', engine);
    if (fallbacks !== undefined && typeof fallbacks?.chainFor !== 'function') {
      throw invalid('options.fallbacks', 'a FallbackRegistry', fallbacks);
    }
    if (typeof rememberProvenance !== 'boolean')
      throw invalid('options.rememberProvenance', 'a boolean', rememberProvenance);
    this.#provenance = rememberProvenance ? provenanceMemory() : undefined;
    this.#clock = clock ?? systemClock;
    checkFunction('options.clock.now', this.#clock?.now);
    checkFunction('options.clock.setTimer', this.#clock.setTimer);
    if (this.#clock.loop !== undefined) {
      checkFunction('options.clock.loop.idleMs', this.#clock.loop?.idleMs);
      checkFunction('options.clock.loop.turns', this.#clock.loop.turns);
    }
    this.#loop = new LoopWatch(this.#clock);
    this.#fallbacks = fallbacks;
    this.#engine = engine;
    this.#settings = new SettingsResolver(engine, general, methods, this.#events.warnings);
    const environment = {
      clock: this.#clock,
      random: checkFunction('options.random', random ?? Math.random),
      report: (error: unknown, source: string, about: string) =>
        this.#events.warnings.report(error, source, about),
      listener: {
        transition: (event: TransitionEvent) => this.#onTransition(event),
        isolation: (event: IsolationEvent) => this.#events.emit('isolation', event),
      },
    };
    this.#registry = new CircuitRegistry(
      checkInteger('options.maxCircuits', maxCircuits, 1),
      environment,
      (path) => this.#settings.for(path),
      (slot) => this.#onEvict(slot),
    );
    this.#recoveries = new Recoveries(this.#clock, environment.random, this.#events, (path) =>
      this.#settings.for(path),
    );
    if (fallbacks !== undefined) this.#unsubscribe = this.#subscribeTo(fallbacks);
    this.#calls = new NeutralCalls(this.#clock, this.#events.warnings, (target, path) =>
      this.#neutralMethod(target, path),
    );
    this.interceptor = this.forTarget('');
  }

  /** Emits the registry's events as its own, until the function that it returns is called. */
  #subscribeTo(fallbacks: FallbackRegistry): () => void {
    const stopStores = fallbacks.onStore((event) => this.#events.emit('store', event));
    const stopWarnings = fallbacks.onWarning((event) => this.#events.emit('warning', event));
    return () => {
      stopStores();
      stopWarnings();
    };
  }

  forTarget(target: string): Interceptor {
    if (typeof target !== 'string' || target.includes('#'))
      throw invalid('forTarget(target)', 'a string without #', target);
    let methods = new Map<string, MethodGuard | undefined>();
    let settings = this.#settings;
    const server = this.#recoveries.targetOf(target);
    const interceptor: Interceptor = (options, nextCall) => {
      const { path } = options.method_definition;
      if (settings !== this.#settings) {
        settings = this.#settings;
        methods = new Map();
      }
      let guard = methods.get(path);
      if (guard === undefined && !methods.has(path)) {
        guard = this.#guardMethod(target, path, server.connection);
        methods.set(path, guard);
        this.#recoveries.met(options.method_definition);
      }
      const callOptions = options.failsoft === undefined ? undefined : checkCallOptions(options.failsoft);
      const passes = this.#closed || callOptions?.bypass === true;
      if (guard === undefined || passes || isGuardedBy(options, this))
        return new InterceptingCall(nextCall(options));
      return new GuardedCall(guard, options, nextCall, callOptions);
    };
    this.#own.add(interceptor);
    return interceptor;
  }

  clientOptions(options: ClientOptions = {}, target = ''): ClientOptions {
    if (typeof options !== 'object' || options === null)
      throw invalid('clientOptions(options)', 'an object', options);
    const interceptor = target === '' ? this.interceptor : this.forTarget(target);
    return guardedOptions(options, {
      interceptor,
      isOwn: (candidate) => this.#own.has(candidate),
      openMs: this.#settings.openMs,
      show: this.#recoveries.shown(target),
    });
  }

  on<K extends keyof GuardEvents>(event: K, listener: Listener<GuardEvents[K]>): () => void {
    checkOneOf('on(event)', event, GUARD_EVENTS);
    return this.#events.on(event, checkFunction('on(listener)', listener));
  }

  circuit(method: { readonly path: string } | string, part = ''): Circuit {
    const path: unknown = typeof method === 'string' ? method : method?.path;
    if (typeof path !== 'string') throw invalid('circuit(method)', 'a method definition or a path', method);
    if (typeof part !== 'string') throw invalid('circuit(method, part)', 'a string', part);
    const key = splitKey(path);
    if (part !== '' && key.part !== '')
      throw invalid('circuit(method, part)', 'no part beside that of the key', part);
    const wanted = part === '' ? key.part : part;
    return this.#registry.slot(key.target, key.method, asKeyPart(wanted)).circuit;
  }

  settingsOf(circuitKey: string): CircuitSettings | undefined {
    if (typeof circuitKey !== 'string') throw invalid('settingsOf(circuitKey)', 'a string', circuitKey);
    const { target, method, part } = splitKey(circuitKey);
    const slot = this.#registry.find(target, method, part);
    if (slot === undefined) return undefined;
    const settings = this.#settings.for(method);
    const chain = this.#fallbacks?.chainFor(method);
    const strategies = chain?.enabled ? chain.strategies.filter(({ enabled }) => enabled !== false) : [];
    return {
      circuit: slot.circuit.options,
      defaultDeadlineMs: settings.defaultDeadlineMs,
      fallbackReserveMs: settings.fallbackReserveMs,
      fallbackAfterMs: settings.softDeadline?.of(slot.usualLatency) ?? Number.POSITIVE_INFINITY,
      firstMessageTimeoutMs: settings.firstMessageTimeoutMs,
      stallTimeoutMs: settings.stallTimeoutMs,
      fallbacks: strategies.map(({ name }) => name),
    };
  }

  snapshots(): CircuitSnapshot[] {
    return this.#registry.snapshots();
  }

  answers(): AnswerCount[] {
    return this.#registry.answers();
  }

  attempts(): AttemptCount[] {
    return this.#attempts.report();
  }

  transitions(): TransitionCount[] {
    return this.#registry.transitions();
  }

  probes(): ProbeCount[] {
    return this.#registry.probes();
  }

  nextChecks(): Map<string, number> {
    return this.#recoveries.nextChecks();
  }

  stores(): StoreReading[] {
    return this.#fallbacks?.stores() ?? [];
  }

  observe(observer: ObserveCall): () => void {
    return this.#observers.add(checkFunction('observe(observer)', observer));
  }

  restore(snapshots: unknown): void {
    if (!Array.isArray(snapshots)) throw invalid('snapshots', 'an array of snapshots', snapshots);
    const checked = snapshots.map((snapshot: unknown, index) => {
      const field = `snapshots[${index}]`;
      checkSnapshot(snapshot, field);
      return { snapshot, field, key: splitKey(snapshot.circuitKey) };
    });
    for (const { snapshot, field, key } of checked) {
      const { circuit } = this.#registry.slot(key.target, key.method, asKeyPart(key.part));
      circuit.restore(snapshot, field);
    }
  }

  reconfigure(settings: GuardSettings): void {
    checkKeys('options', settings, SETTING_KEYS);
    const { methods = [], ...general } = settings;
    if (!this.#engine.capabilities.reconfigure) {
      const message = `reconfigure(): engine ${this.#engine.name} cannot do it`;
      throw new FailsoftError('FAILSOFT_UNSUPPORTED', message);
    }
    const resolver = new SettingsResolver(this.#engine, general, methods, this.#events.warnings);
    this.#registry.reconfigure((path) => resolver.for(path));
    this.#settings = resolver;
  }

  setMode(mode: CircuitMode): void {
    this.#registry.setMode(checkOneOf('setMode(mode)', mode, ['enforce', 'observe', 'off']));
  }

  async call<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: (context: PrimaryContext<Req>) => Res | PromiseLike<Res>,
    options: GuardCallOptions = NO_CALL_OPTIONS,
  ): Promise<CallAnswer<Res>> {
    return this.#calls.call(definition, request, next, options);
  }

  callStream<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: (context: PrimaryContext<Req>) => AsyncIterable<Res> | PromiseLike<AsyncIterable<Res>>,
    options: GuardCallOptions = NO_CALL_OPTIONS,
  ): GuardedStream<Res> {
    return this.#calls.callStream(definition, request, next, options);
  }

  begin(
    definition: CallShape,
    request: unknown,
    options: GuardCallOptions = NO_CALL_OPTIONS,
  ): OpenCall | undefined {
    return this.#calls.begin(definition, request, options);
  }

  async execute<T>(
    name: string,
    fn: (signal: AbortSignal) => T | Promise<T>,
    options?: ExecuteOptions,
  ): Promise<T> {
    if (this.#closed) throw new FailsoftError('FAILSOFT_CLOSED', 'the guard is closed');
    if (typeof name !== 'string') throw invalid('execute.name', 'a string', name);
    const { target, method, part } = splitKey(name);
    if (!this.#isPlain(method)) {
      const key = part === '' ? {} : { key: part };
      return executeCall(this, method, fn, { target, ...key }, options);
    }
    const circuit = this.circuit(name);
    try {
      return await circuit.execute(fn, options);
    } catch (error) {
      if (isFailsoftError(error) && error.code === 'FAILSOFT_REJECTED')
        this.#onRejectedWork(circuit.key, error.cause);
      throw error;
    }
  }

  #onRejectedWork(circuitKey: string, rejection: unknown): void {
    if (!this.#events.hasListeners('rejected') || !isRejection(rejection)) return;
    const { reason, retryAfterMs } = rejection;
    const { method } = splitKey(circuitKey);
    this.#events.emit('rejected', { method, circuitKey, reason, retryAfterMs, atMs: this.#clock.epochMs() });
  }

  #onTransition(event: TransitionEvent): void {
    const { target, method, part } = splitKey(event.circuitKey);
    const slot = this.#registry.find(target, method, part);
    slot?.counts.changed(event);
    if (event.to === 'open' && slot !== undefined && !this.#closed) this.#recoveries.opened(slot);
    this.#events.emit('transition', event);
    this.#observers.current?.changed(event);
  }

  #onEvict({ key, circuit, counts }: Slot): void {
    if (!this.#events.hasListeners('evicted')) return;
    this.#events.emit('evicted', {
      circuitKey: key,
      snapshot: circuit.snapshot(),
      transitions: counts.transitions(key),
      probes: counts.probes(key),
    });
  }

  /** Whether a circuit is all that the calls of a name have. */
  #isPlain(path: string): boolean {
    const { parent, defaultDeadlineMs, guarded, priority } = this.#settings.for(path);
    const isBounded = parent !== undefined || defaultDeadlineMs < Number.POSITIVE_INFINITY;
    return guarded && !isBounded && priority === 'normal' && this.#fallbacks?.chainFor(path) === undefined;
  }

  /** The part of the guard that the calls of a method share which come through no interceptor. */
  #neutralMethod(target: string, path: string): MethodGuard | undefined {
    if (this.#closed) return undefined;
    if (this.#neutralSettings !== this.#settings || this.#neutralMethods.size >= MOST_METHODS) {
      this.#neutralSettings = this.#settings;
      this.#neutralMethods.clear();
    }
    const name = `${target}\0${path}`;
    const known = this.#neutralMethods.get(name);
    if (known !== undefined) return known;
    const made = this.#guardMethod(target, path, new Connection());
    if (made !== undefined) this.#neutralMethods.set(name, made);
    return made;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.clear();
    this.#observers.clear();
    this.#unsubscribe();
    this.#recoveries.close();
    this.#registry.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #guardMethod(target: string, path: string, connection: Connection): MethodGuard | undefined {
    const settings = this.#settings.for(path);
    if (!settings.guarded) return undefined;
    return {
      path,
      settings,
      line: this.#registry.line(target, path),
      connection,
      loop: this.#loop,
      chain: () => this.#fallbacks?.chainFor(path),
      clock: this.#clock,
      events: this.#events,
      observers: this.#observers,
      attempts: this.#attempts,
      mark: this.#mark,
      provenance: this.#provenance,
    };
  }
}

function isRejection(value: unknown): value is Rejection {
  return typeof value === 'object' && value !== null && 'admitted' in value && value.admitted === false;
}
