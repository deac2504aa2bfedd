import type { ClientOptions, Interceptor } from '@grpc/grpc-js';
import type {
  CallAnswer,
  CallDefinition,
  CallShape,
  GuardCallOptions,
  PrimaryContext,
} from '../call/neutral/call-types.js';
import type { GuardedStream } from '../call/neutral/guarded-stream.js';
import type { OpenCall } from '../call/neutral/open-call.js';
import { checkFunction, checkOneOf } from '../checks.js';
import type { Circuit, CircuitMode, CircuitSnapshot, ExecuteOptions } from '../circuit/types.js';
import type { AnswerCount } from '../telemetry/answers.js';
import type { AttemptCount } from '../telemetry/attempts.js';
import type { ObserveCall } from '../telemetry/call-observers.js';
import type { ProbeCount, TransitionCount } from '../telemetry/counts.js';
import type { Listener } from '../telemetry/emitter.js';
import { GUARD_EVENTS, type GuardEvents } from '../telemetry/events.js';
import { REPORT_WARNING } from '../telemetry/report-warning.js';
import type { SecondaryReading } from '../telemetry/secondary-reading.js';
import type { StoreReading } from '../telemetry/store-reading.js';
import { Attachments } from './attachments.js';
import { NO_CALL_OPTIONS } from './call-options.js';
import { checkGuardOptions } from './checked-options.js';
import { GuardControls } from './guard-controls.js';
import { GuardCore } from './guard-core.js';
import type { CircuitSettings, Guard, GuardOptions, GuardSettings } from './guard-options.js';
import { GuardReadings } from './guard-readings.js';
import { NamedWork } from './named-work.js';
import { NeutralCalls } from './neutral-calls.js';
import { NeutralMethods } from './neutral-methods.js';

/**
 * Makes a guard. Without options, each model that requests name has its own circuit, and so has each method whose requests name no
 * model. The README lists the defaults.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or FAILSOFT_UNSUPPORTED, naming the option
 */
export function createGuard(options: GuardOptions = {}): Guard {
  return new WholeGuard(new GuardCore(checkGuardOptions(options)));
}

/** The guard that users get. Each method passes its call on to one of the guard's parts. */
class WholeGuard implements Guard {
  readonly interceptor: Interceptor;
  readonly #core: GuardCore;
  readonly #attachments: Attachments;
  readonly #readings: GuardReadings;
  readonly #controls: GuardControls;
  readonly #calls: NeutralCalls;
  readonly #work: NamedWork;

  constructor(core: GuardCore) {
    const methods = new NeutralMethods(core);
    this.#core = core;
    this.#attachments = new Attachments(core);
    this.#readings = new GuardReadings(core);
    this.#controls = new GuardControls(core);
    this.#calls = new NeutralCalls(core.clock, core.events.warnings, (target, path) =>
      methods.of(target, path),
    );
    this.#work = new NamedWork(core, this.#controls, this);
    this.interceptor = this.#attachments.interceptor;
  }

  // ---------------------------------------------------------------- clients of grpc-js

  forTarget(target: string): Interceptor {
    return this.#attachments.forTarget(target);
  }
  clientOptions(options?: ClientOptions, target?: string): ClientOptions {
    return this.#attachments.clientOptions(options, target);
  }

  // ---------------------------------------------------------------- calls of other transports

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
  execute<T>(
    name: string,
    fn: (signal: AbortSignal) => T | Promise<T>,
    options?: ExecuteOptions,
  ): Promise<T> {
    return this.#work.execute(name, fn, options);
  }

  // ---------------------------------------------------------------- events

  on<K extends keyof GuardEvents>(event: K, listener: Listener<GuardEvents[K]>): () => void {
    checkOneOf('on(event)', event, GUARD_EVENTS);
    return this.#core.events.on(event, checkFunction('on(listener)', listener));
  }
  observe(observer: ObserveCall): () => void {
    return this.#core.observers.add(checkFunction('observe(observer)', observer));
  }

  // ---------------------------------------------------------------- readings

  settingsOf(circuitKey: string): CircuitSettings | undefined {
    return this.#readings.settingsOf(circuitKey);
  }
  snapshots(): CircuitSnapshot[] {
    return this.#readings.snapshots();
  }
  answers(): AnswerCount[] {
    return this.#readings.answers();
  }
  attempts(): AttemptCount[] {
    return this.#readings.attempts();
  }
  transitions(): TransitionCount[] {
    return this.#readings.transitions();
  }
  probes(): ProbeCount[] {
    return this.#readings.probes();
  }
  nextChecks(): Map<string, number> {
    return this.#readings.nextChecks();
  }
  secondaries(): SecondaryReading[] {
    return this.#readings.secondaries();
  }
  stores(): StoreReading[] {
    return this.#readings.stores();
  }

  // ---------------------------------------------------------------- controls

  circuit(method: { readonly path: string } | string, part?: string): Circuit {
    return this.#controls.circuit(method, part);
  }
  restore(snapshots: unknown): void {
    this.#controls.restore(snapshots);
  }
  reconfigure(settings: GuardSettings): void {
    this.#controls.reconfigure(settings);
  }
  setMode(mode: CircuitMode): void {
    this.#controls.setMode(mode);
  }
  [REPORT_WARNING](error: unknown, source: string): void {
    this.#core.events.warnings.report(error, source);
  }
  async close(): Promise<void> {
    this.#core.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
