import type { Connection } from '../call/connection.js';
import type { GuardedBy } from '../call/guarded-mark.js';
import { LoopWatch } from '../call/loop-watch.js';
import type { MethodGuard } from '../call/method-guard.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engines/engine.js';
import type { FallbackRegistry } from '../fallback/registry.js';
import { splitKey } from '../key/circuit-key.js';
import { type ProvenanceMemory, provenanceMemory } from '../status/provenance.js';
import { AttemptCounts } from '../telemetry/attempts.js';
import { CallObservers } from '../telemetry/call-observers.js';
import { guardEmitter } from '../telemetry/emitter.js';
import type { IsolationEvent, TransitionEvent } from '../telemetry/events.js';
import type { CheckedOptions } from './checked-options.js';
import type { Slot } from './circuit-line.js';
import { CircuitRegistry } from './circuit-registry.js';
import type { GuardSettings } from './guard-options.js';
import { SettingsResolver } from './method-settings.js';
import { Recoveries } from './recoveries.js';

/** The parts of a guard that its clients, its readings and its controls share: circuits, settings, events, recoveries. */
export class GuardCore {
  readonly clock: Clock;
  readonly events = guardEmitter();
  readonly observers = new CallObservers(this.events);
  readonly attempts = new AttemptCounts();
  readonly engine: Engine;
  readonly fallbacks: FallbackRegistry | undefined;
  readonly registry: CircuitRegistry;
  readonly recoveries: Recoveries;
  /** Marks the calls that this guard counts. */
  readonly mark: GuardedBy = Object.freeze([this]);
  #settings: SettingsResolver;
  #closed = false;
  readonly #loop: LoopWatch;
  readonly #provenance: ProvenanceMemory | undefined;
  readonly #unsubscribe: () => void;

  constructor(options: CheckedOptions) {
    const { clock, random, engine, fallbacks, maxCircuits } = options;
    this.clock = clock;
    this.engine = engine;
    this.fallbacks = fallbacks;
    this.#provenance = options.rememberProvenance ? provenanceMemory() : undefined;
    this.#loop = new LoopWatch(clock);
    this.#settings = this.resolver(options.settings);
    const environment = {
      clock,
      random,
      report: (error: unknown, source: string, about: string) =>
        this.events.warnings.report(error, source, about),
      listener: {
        transition: (event: TransitionEvent) => this.#onTransition(event),
        isolation: (event: IsolationEvent) => this.events.emit('isolation', event),
      },
    };
    const settingsOf = (path: string) => this.#settings.for(path);
    this.registry = new CircuitRegistry(maxCircuits, environment, settingsOf, (slot) => this.#onEvict(slot));
    this.recoveries = new Recoveries(clock, random, this.events, settingsOf);
    this.#unsubscribe = fallbacks === undefined ? () => {} : this.#subscribeTo(fallbacks);
  }

  /** The settings in force; another object after each {@link use}. */
  get settings(): SettingsResolver {
    return this.#settings;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or FAILSOFT_UNSUPPORTED naming the option */
  resolver({ methods = [], ...general }: GuardSettings): SettingsResolver {
    return new SettingsResolver(this.engine, general, methods, this.events.warnings);
  }

  /** Puts settings in force. If they do not fit the existing circuits, it throws and changes nothing. */
  use(settings: SettingsResolver): void {
    this.registry.reconfigure((path) => settings.for(path));
    this.#settings = settings;
  }

  /** The part of the guard that all calls of a method share; undefined for a method that is not guarded. */
  method(target: string, path: string, connection: Connection): MethodGuard | undefined {
    const settings = this.#settings.for(path);
    if (!settings.guarded) return undefined;
    return {
      path,
      settings,
      line: this.registry.line(target, path),
      connection,
      loop: this.#loop,
      chain: () => this.fallbacks?.chainFor(path),
      clock: this.clock,
      events: this.events,
      observers: this.observers,
      attempts: this.attempts,
      mark: this.mark,
      provenance: this.#provenance,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.clear();
    this.observers.clear();
    this.#unsubscribe();
    this.recoveries.close();
    this.registry.close();
  }

  /** Emits the registry's events as the guard's own. @returns a function that ends this */
  #subscribeTo(fallbacks: FallbackRegistry): () => void {
    const stopStores = fallbacks.onStore((event) => this.events.emit('store', event));
    const stopWarnings = fallbacks.onWarning((event) => this.events.emit('warning', event));
    const stopSecondaries = fallbacks.onSecondary((event) => this.events.emit('secondary', event));
    return () => {
      stopStores();
      stopSecondaries();
      stopWarnings();
    };
  }

  #onTransition(event: TransitionEvent): void {
    const { target, method, part } = splitKey(event.circuitKey);
    const slot = this.registry.find(target, method, part);
    slot?.counts.changed(event);
    if (event.to === 'open' && slot !== undefined && !this.#closed) this.recoveries.opened(slot);
    this.events.emit('transition', event);
    this.observers.current?.changed(event);
  }

  #onEvict({ key, circuit, counts }: Slot): void {
    if (!this.events.hasListeners('evicted')) return;
    this.events.emit('evicted', {
      circuitKey: key,
      snapshot: circuit.snapshot(),
      transitions: counts.transitions(key),
      probes: counts.probes(key),
    });
  }
}
