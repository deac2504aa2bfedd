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
  /** The most specific settings win: method over service over pattern; among equals the first listed. */
  readonly methods?: readonly MethodRule[];
}

/** Options of `createGuard`. */
export interface GuardOptions extends GuardSettings {
  /** What answers in place of the primary, by method. @default nothing */
  readonly fallbacks?: FallbackRegistry;
  /**
   * `true`: the sources of fallbacks' answers are remembered in a WeakMap, so that `provenanceOf(answer)` works behind a
   * framework that hides the headers. @default false
   */
  readonly rememberProvenance?: boolean;
  /** @default nativeEngine */
  readonly engine?: Engine;
  /**
   * The most circuits kept at a time. The least recently used goes first, but for those with calls in flight or set by hand
   * (`mode`, `isolate()`), which stay; open circuits are kept longer, up to half of all. @default 1000
   */
  readonly maxCircuits?: number;
  /** @default systemClock */
  readonly clock?: Clock;
  /** Uniform in [0, 1), for jitter. @default Math.random */
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
  /** The circuit's own, with every default filled in; undefined where the engine does not give them. */
  readonly circuit: CircuitOptions | undefined;
  /** The deadline of a call without a deadline of its own, in milliseconds. */
  readonly defaultDeadlineMs: number;
  /** The part of a long deadline that is kept for fallbacks which serve failures, in milliseconds. */
  readonly fallbackReserveMs: number;
  /** After how long the next call asks its fallbacks while it goes on, in milliseconds. */
  readonly fallbackAfterMs: number;
  /** How long a stream may take to its first message, in milliseconds. */
  readonly firstMessageTimeoutMs: number;
  /** How long a stream may send nothing, in milliseconds. */
  readonly stallTimeoutMs: number;
  /** The names of the strategies that answer now, in their order. */
  readonly fallbacks: readonly string[];
}

/** Guards any number of clients. Made by `createGuard`. */
export interface Guard {
  /**
   * The options of a guarded client: `new Client(address, credentials, guard.clientOptions())`. They have
   *
   * - the guard's interceptor, before yours; where your list has it already, it stays where it is;
   * - `grpc.initial_reconnect_backoff_ms` and `grpc.max_reconnect_backoff_ms` that match the first open time: otherwise grpc-js may
   *   leave a server that is back alone for two minutes;
   * - `grpc.keepalive_time_ms` and `grpc.keepalive_timeout_ms`, so that a peer that hangs without closing is noticed within 25 seconds;
   * - a `callInvocationTransformer`, after yours, that shows the guard the client's channel: open circuits then know when it is connected again.
   *
   * What you give wins over all of these.
   * @param options the client's other options
   * @param target as in {@link forTarget}
   */
  clientOptions(options?: ClientOptions, target?: string): ClientOptions;
  /** For a client whose options are your own: `new Client(address, credentials, { interceptors: [guard.interceptor] })`. */
  readonly interceptor: Interceptor;
  /**
   * An interceptor with circuits of its own, for a guard whose clients have different servers that fail separately.
   * @param target a name for the server, which becomes a part of the circuits' keys
   */
  forTarget(target: string): Interceptor;
  /**
   * Subscribes a listener. A listener that throws harms no call.
   * @returns a function that unsubscribes it
   */
  on<K extends keyof GuardEvents>(event: K, listener: Listener<GuardEvents[K]>): () => void;
  /**
   * A circuit by its method and key part. It is made if it does not exist: a misspelt key is no error, and gives a circuit
   * that no call uses.
   * @param method the method's definition or path (with the target's name in front for `forTarget()`), or a whole circuit key,
   * as in events, snapshots and rejections
   * @param part the key part: a model's name, for example. @default '' (the method's own circuit)
   */
  circuit(method: { readonly path: string } | string, part?: string): Circuit;
  /**
   * The settings in force for a circuit. Undefined without such a circuit; none is made.
   * @param circuitKey as in events and snapshots
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
   * The circuits that its fallbacks have around their own calls (`secondaryModel()`, `answerWith()`). They are no circuits of the
   * guard: `snapshots()`, `circuit()` and `setMode()` do not reach them.
   */
  secondaries(): SecondaryReading[];
  /** How the probes and readiness checks of the present circuits ended: per circuit, kind and outcome. */
  probes(): ProbeCount[];
  /**
   * When the open circuits that are checked are checked next, by their keys, in milliseconds since the epoch; now, where a check
   * waits for its answer.
   */
  nextChecks(): ReadonlyMap<string, number>;
  /** What the fallbacks that keep answers or requests count and hold: `lastGood`, `deferred`. */
  stores(): StoreReading[];
  /**
   * Observes calls, for what needs a call's beginning too, such as tracing. `observer` is called when a call is made, in the
   * caller's async context; the object that it returns gets the call's transitions and its end. An observer that throws
   * harms no call. Each observed call costs an object; `on('call')` is enough for what needs the end alone.
   * @returns a function that ends the observation
   */
  observe(observer: ObserveCall): () => void;
  /**
   * Restores circuits from the `snapshots()` of an earlier process; see {@link Circuit.restore}. All snapshots are checked
   * first: a bad snapshot changes nothing.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field, or FAILSOFT_UNSUPPORTED by engines that cannot
   */
  restore(snapshots: unknown): void;
  /**
   * Puts other settings in force, for present and future circuits. It takes all settings, as `createGuard()` does: an option
   * that is left out has its default again. Circuits keep their state and counts; a window whose shape
   * changes starts empty; a mode set by hand stays. Calls in flight keep their classifier and their time limits. Everything is
   * checked first: bad settings change nothing.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option, or FAILSOFT_UNSUPPORTED by engines that cannot
   */
  reconfigure(settings: GuardSettings): void;
  /** Sets the mode of every circuit, also of future circuits. */
  setMode(mode: CircuitMode): void;
  /**
   * Makes a call of any transport under the guard, as the interceptor does for grpc-js: key, admission, deadline, outcome,
   * fallbacks, label. `next` makes the real call; it is not run for a rejected call. If no fallback answers, the promise
   * rejects with the error of `next`, with the reason of the caller's signal, or with `errorOf()` of the guard's own status.
   * @param definition a method's definition, or `{ path: 'a name' }`
   * @param request for keys and fallbacks; an `AsyncIterable` where the request is a stream
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
   * As {@link call}, for an answer that is a stream. Nothing happens before its first `next()`. A fallback may replace it until its
   * first message. Its permit is given back when it ends, fails, is left, or is idle for `abandonedAfterMs`.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  callStream<Req, Res>(
    definition: CallDefinition<Req, Res>,
    request: Req,
    next: (context: PrimaryContext<Req>) => AsyncIterable<Res> | PromiseLike<AsyncIterable<Res>>,
    options?: GuardCallOptions,
  ): GuardedStream<Res>;
  /**
   * For adapters of transports whose calls are no promises and no async iterables: admits or rejects a call, whose end the
   * adapter then reports. Undefined for a call that is not guarded.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  begin(definition: CallShape, request: unknown, options?: GuardCallOptions): OpenCall | undefined;
  /**
   * Runs `fn` under the circuit `name`, for work that is not gRPC. See {@link Circuit.execute}.
   * @throws FailsoftError as {@link Circuit.execute}, and FAILSOFT_CLOSED after `close()`; all as a rejection of the promise
   */
  execute<T>(name: string, fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T>;
  /**
   * Ends the guarding: calls pass as without a guard, and no events are emitted. Readiness checks and synthetic probes are cancelled. The FallbackRegistry stays open, because other
   * guards may use it; close it yourself.
   */
  close(): Promise<void>;
  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
