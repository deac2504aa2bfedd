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
import type {
  Circuit,
  CircuitMode,
  CircuitOptions,
  CircuitSnapshot,
  ExecuteOptions,
} from '../circuit/types.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engines/engine.js';
import type { FallbackRegistry } from '../fallback/registry.js';
import type { AnswerCount } from '../telemetry/answers.js';
import type { AttemptCount } from '../telemetry/attempts.js';
import type { ObserveCall } from '../telemetry/call-observers.js';
import type { ProbeCount, TransitionCount } from '../telemetry/counts.js';
import type { Listener } from '../telemetry/emitter.js';
import type { GuardEvents } from '../telemetry/events.js';
import type { SecondaryReading } from '../telemetry/secondary-reading.js';
import type { StoreReading } from '../telemetry/store-reading.js';
import { METHOD_OPTION_KEYS, type MethodOptions, type MethodRule } from './method-options.js';

/** Settings of methods. They hold for every method; rules in `methods` override them for some methods. */
export interface GuardSettings extends MethodOptions {
  /**
   * Rules for some methods. The most specific rule wins: method over service over pattern; among equals the first listed.
   * @default no rules
   */
  readonly methods?: readonly MethodRule[];
}

/** Options of `createGuard`. */
export interface GuardOptions extends GuardSettings {
  /** The fallbacks of each method. @default no fallbacks */
  readonly fallbacks?: FallbackRegistry;
  /**
   * `true`: the sources of fallbacks' answers are remembered in a WeakMap, so that `provenanceOf(answer)` works behind a
   * framework that hides the headers. @default false
   */
  readonly rememberProvenance?: boolean;
  /** The engine that makes the circuits. @default nativeEngine */
  readonly engine?: Engine;
  /**
   * The most circuits that are kept. The least recently used one is dropped first. Circuits with calls in flight, or set by hand
   * (`mode`, `isolate()`), are never dropped; open circuits are kept longer, up to half of all. @default 1000
   */
  readonly maxCircuits?: number;
  /** The source of time. @default systemClock */
  readonly clock?: Clock;
  /** A random number in [0, 1), for jitter and throttles. @default Math.random */
  readonly random?: () => number;
}

export const SETTING_KEYS: readonly string[] = [...METHOD_OPTION_KEYS, 'methods'];
export const GUARD_OPTION_KEYS: readonly string[] = [
  ...SETTING_KEYS,
  'fallbacks',
  'rememberProvenance',
  'engine',
  'maxCircuits',
  'clock',
  'random',
];

/** The settings in force for the calls of a circuit, for a page or a report. Infinity stands for no limit. */
export interface CircuitSettings {
  /** The circuit's own options, with every default filled in; undefined if the engine does not provide them. */
  readonly circuit: CircuitOptions | undefined;
  /** The deadline of a unary call without a deadline of its own, in milliseconds. */
  readonly defaultDeadlineMs: number;
  /** The part of a long deadline that is reserved for fallbacks, in milliseconds. */
  readonly fallbackReserveMs: number;
  /** The soft deadline of the next call, after which its fallbacks are asked, in milliseconds. */
  readonly fallbackAfterMs: number;
  /** The longest wait for the first message of a stream, in milliseconds. */
  readonly firstMessageTimeoutMs: number;
  /** The longest wait for each further message of a stream, in milliseconds. */
  readonly stallTimeoutMs: number;
  /** The names of the method's enabled strategies, in the order in which they are asked. */
  readonly fallbacks: readonly string[];
}

/** Guards any number of clients. Made by `createGuard`. */
export interface Guard {
  /**
   * The options of a guarded client: `new Client(address, credentials, guard.clientOptions())`. They have
   *
   * - the guard's interceptor, before yours; if your list already has it, it stays where it is;
   * - `grpc.initial_reconnect_backoff_ms` and `grpc.max_reconnect_backoff_ms` that match the first open time: otherwise grpc-js may
   *   wait up to two minutes before it connects to a server that is back;
   * - `grpc.keepalive_time_ms` and `grpc.keepalive_timeout_ms`, so that a peer that hangs without closing is noticed within 25
   *   seconds;
   * - a `callInvocationTransformer`, after yours, that shows the guard the client's channel, so that open circuits notice when it
   *   is connected again.
   *
   * An option that you set wins over all of these.
   * @param options the client's other options. @default none
   * @param target a name for the server, as in {@link forTarget}. @default ''
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  clientOptions(options?: ClientOptions, target?: string): ClientOptions;
  /** The interceptor alone: `new Client(address, credentials, { interceptors: [guard.interceptor] })`. */
  readonly interceptor: Interceptor;
  /**
   * An interceptor with its own circuits, for a guard whose clients have different servers that fail separately.
   * @param target a name for the server, which becomes a part of the circuits' keys
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `target` is a string without `#`
   */
  forTarget(target: string): Interceptor;
  /**
   * Subscribes a listener. If it throws, that is reported as a warning, and harms no call.
   * @returns a function that unsubscribes it
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown event, or a listener that is no function
   */
  on<K extends keyof GuardEvents>(event: K, listener: Listener<GuardEvents[K]>): () => void;
  /**
   * A circuit by its method and key part. Makes the circuit if it does not exist, so a misspelt key is not an error: it gives a
   * circuit that no call uses.
   * @param method the method's definition or path (with the target's name in front for `forTarget()`), or a whole circuit key,
   * as in events, snapshots and rejections
   * @param part the key part: a model's name, for example. @default '' (the method's own circuit)
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  circuit(method: { readonly path: string } | string, part?: string): Circuit;
  /**
   * The settings in force for a circuit; undefined if there is no such circuit. Makes no circuit.
   * @param circuitKey the whole key, as in events and snapshots
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless the key is a string
   */
  settingsOf(circuitKey: string): CircuitSettings | undefined;
  /** The snapshots of all circuits, as plain JSON. */
  snapshots(): CircuitSnapshot[];
  /**
   * How callers were answered since the guard was made: per circuit, source and cause. Counts that are zero are left out.
   */
  answers(): AnswerCount[];
  /** How often fallbacks were asked and gave no answer: per method, strategy and result. Counts that are zero are left out. */
  attempts(): AttemptCount[];
  /** How often the present circuits changed their state: per circuit, pair of states and rule. */
  transitions(): TransitionCount[];
  /**
   * The circuits that fallbacks have around their own calls (`secondaryModel()`, `answerWith()`). They do not belong to the guard:
   * `snapshots()`, `circuit()` and `setMode()` do not include them.
   */
  secondaries(): SecondaryReading[];
  /** How the probes and readiness checks of the present circuits ended: per circuit, kind and outcome. */
  probes(): ProbeCount[];
  /**
   * The time of the next readiness check of each open circuit that has checks, by circuit key, in milliseconds since the epoch. The
   * present time, if a check is under way.
   */
  nextChecks(): ReadonlyMap<string, number>;
  /** The counts and contents of the fallbacks that keep answers or requests: `lastGood`, `deferred`. */
  stores(): StoreReading[];
  /**
   * Observes calls from their beginning, for example for tracing. `observer` is called when a call is made, in the caller's async
   * context. The object that it returns is called with the call's transitions and its end. An observer that throws harms no
   * call. Each observed call costs an object; if you need only the end of calls, use `on('call')`.
   * @returns a function that ends the observation
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT unless `observer` is a function
   */
  observe(observer: ObserveCall): () => void;
  /**
   * Restores circuits from the `snapshots()` of an earlier process; see {@link Circuit.restore}. All snapshots are checked
   * first: if one is bad, nothing changes.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field, or FAILSOFT_UNSUPPORTED if the engine does not support it
   */
  restore(snapshots: unknown): void;
  /**
   * Puts new settings in force, for present and future circuits. Pass all settings, as to `createGuard()`: an option that is left
   * out gets its default again. Circuits keep their state and counts; a window whose shape changes starts empty; a mode that was
   * set by hand stays. Calls in flight keep their classifier and their time limits. All settings are checked first: if one is
   * bad, nothing changes.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option, or FAILSOFT_UNSUPPORTED if the engine does not support it
   */
  reconfigure(settings: GuardSettings): void;
  /**
   * Sets the mode of every present and future circuit.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown mode
   */
  setMode(mode: CircuitMode): void;
  /**
   * Makes a call of any transport under the guard, as the interceptor does for grpc-js: key, admission, deadline, outcome,
   * fallbacks, label. If no fallback answers, the promise rejects with the error of `next`, with the reason of the caller's signal,
   * or with `errorOf()` of the guard's own status.
   * @param definition a method's definition, or `{ path: 'a name' }`
   * @param request the request, for keys and fallbacks; an `AsyncIterable` if it is a stream
   * @param next makes the real call; not called for a rejected call
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, as a rejection of the promise
   * @example const { response, source } = await guard.call({ path: 'rank' }, query, ({ request, signal }) => rank(request, { signal }));
   */
  call<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: (context: PrimaryContext<Req>) => Res | PromiseLike<Res>,
    options?: GuardCallOptions,
  ): Promise<CallAnswer<Res>>;
  /**
   * As {@link call}, for an answer that is a stream. Nothing happens before the first `next()` of the stream. A fallback may replace
   * the stream until its first message. The permit is given back when the stream ends, fails, is left by its reader, or has been
   * idle for `abandonedAfterMs`.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  callStream<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: (context: PrimaryContext<Req>) => AsyncIterable<Res> | PromiseLike<AsyncIterable<Res>>,
    options?: GuardCallOptions,
  ): GuardedStream<Res>;
  /**
   * Admits or rejects a call, for adapters of transports whose calls are neither promises nor async iterables. The adapter makes
   * the real call and reports its end.
   * @returns undefined for a call that is not guarded
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  begin(definition: CallShape, request: unknown, options?: GuardCallOptions): OpenCall | undefined;
  /**
   * Runs `fn` under the circuit `name`, for work that is not gRPC. See {@link Circuit.execute}.
   * @throws FailsoftError as in {@link Circuit.execute}, and FAILSOFT_CLOSED after `close()`; all as a rejection of the promise
   */
  execute<T>(name: string, fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T>;
  /**
   * Switches the guard off: calls pass as without a guard, and no more events are emitted. Cancels readiness checks and synthetic
   * probes. The FallbackRegistry stays open, because other guards may use it; close it yourself.
   */
  close(): Promise<void>;
  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
