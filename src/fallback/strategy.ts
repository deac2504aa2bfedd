import type { CallCredentials, InterceptorOptions, Metadata, StatusObject } from '@grpc/grpc-js';
import type { Circuit, CircuitSnapshot, RejectionReason } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';
import type { CircuitListener, StoreEvent, WarningEvent } from '../telemetry/events.js';
import type { StoreReading } from '../telemetry/store-reading.js';

/** Where an answer came from; the value of `failsoft-source` in its metadata. */
export type Source = 'primary' | 'last-good' | `secondary:${string}` | 'default' | 'deferred' | (string & {});

/** The call in a server that a client call is made for, as grpc-js's `parent` call option takes it. */
export type ParentCall = NonNullable<InterceptorOptions['parent']>;

/** Why the primary did not answer. */
export type Cause =
  /** The circuit did not admit the call. */
  | {
      /** The circuit did not admit the call. */
      readonly kind: 'rejected';
      /** Why not. */
      readonly reason: RejectionReason;
      /** After how long a call may be admitted again, in milliseconds; 0 where that is not known. */
      readonly retryAfterMs: number;
    }
  /** The call was made and ended as a failure or an overload. */
  | {
      /** The call was made and ended badly. */
      readonly kind: 'failed';
      /** As the circuit counted it: a failure or an overload. */
      readonly outcome: Outcome;
      /** The status with which it ended. */
      readonly status: StatusObject;
    }
  /** The call was made, and has not been answered within its `fallbackAfterMs`. It goes on, and may still answer first. */
  | {
      /** The call was made, and has not been answered within its `fallbackAfterMs`. */
      readonly kind: 'slow';
      /** After how many milliseconds the chain was asked. */
      readonly afterMs: number;
    };

/** Why a strategy is asked: the call was rejected, it failed, or its answer is late (`fallbackAfterMs`). */
export type CauseKind = Cause['kind'];

/** The causes that a strategy serves: one of them, a list of them, or all. */
export type When = CauseKind | 'always' | readonly CauseKind[];

/** An earlier strategy of the chain that did not answer. */
export interface Attempt {
  /** The name of the strategy: the source that its answer would have had. */
  readonly strategy: string;
  /**
   * `declined`: it had no answer. `failed`: it threw, or its answer was no message of the method. `timed-out`: its time limit or
   * the caller's deadline passed. `disabled`: it was switched off. `capped`: too many calls of the chain were waiting, or the share
   * of slow calls that may ask it was used up. `stopped`: it ended the chain.
   */
  readonly result: 'declined' | 'failed' | 'timed-out' | 'disabled' | 'capped' | 'stopped';
  /** The thrown error, where it threw. */
  readonly error?: unknown;
}

/** The facts of a call, which are the same for every strategy. */
export interface CallFacts<Req> {
  /** The method's path, `/package.Service/Method`. */
  readonly method: string;
  /** A copy of the caller's first message (for most methods the only one). */
  readonly request: Req;
  /** The protobuf bytes of the first message as it was sent; undefined if the caller's encoder refused it. */
  readonly requestBytes?: Buffer | undefined;
  /** Every message sent so far, up to the byte limit; for client streams. */
  readonly requests: readonly Req[];
  /** A copy of the caller's metadata, as they were when the call began. Must not be changed. */
  readonly metadata: Metadata;
  /** Why the primary did not answer. */
  readonly cause: Cause;
  /** The key of the call's circuit: target, method and key part, as in events, snapshots and rejections. */
  readonly circuitKey: string;
  /** A snapshot of the circuit, taken when it is read. */
  readonly circuit: CircuitSnapshot;
  /** The call option `credentials`. Call credentials are not in the metadata. */
  readonly credentials?: CallCredentials | undefined;
  /** The call option `host`: the `:authority` that the server sees. */
  readonly host: string | undefined;
}

/** The part of a context that is a strategy's own: its time, its signal, the attempts before it. */
export interface AttemptScope {
  /** Time until the caller's deadline, in milliseconds; Infinity without a deadline, 0 after it. */
  readonly remainingMs: number;
  /** The deadline in milliseconds since the epoch (Date.now()'s scale); Infinity without a deadline. */
  readonly deadlineMs: number;
  /**
   * The time that this strategy may take, in milliseconds from the moment when it is asked: its `timeoutMs` or its
   * `budgetShare` of the remaining deadline, whichever is less. Infinity without either.
   */
  readonly budgetMs: number;
  /**
   * Aborts when the caller cancels (reason: an `AbortError`), the deadline passes or the strategy's own time is over (a
   * `TimeoutError`). Made when first read.
   */
  readonly signal: AbortSignal;
  /** The server call that this call is made for, where the caller passed `parent`. */
  readonly parent: ParentCall | undefined;
  /** The attempts of the chain's earlier strategies that did not answer. Frozen. */
  readonly attempts: readonly Attempt[];
}

/** A call as a strategy sees it. */
export interface FallbackContext<Req> extends CallFacts<Req>, AttemptScope {}

/** An answer of a strategy. */
export interface Answer<Res> {
  /** The message; for methods that stream their response it may be an iterable of messages. */
  readonly message: Res | Iterable<Res> | AsyncIterable<Res>;
  /** Its source, as in `failsoft-source`. */
  readonly source: Source;
  /** The age of a kept answer, in milliseconds. */
  readonly ageMs?: number;
  /** Further metadata of the answer, for example the id of a job. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A good answer of the primary, offered to strategies that keep answers. */
export interface PrimaryAnswer<Req, Res> {
  /** The method's path, `/package.Service/Method`. */
  readonly method: string;
  /** Names the call's circuit, as in {@link FallbackContext}. */
  readonly circuitKey: string;
  /** As in {@link FallbackContext}. */
  readonly request: Req;
  /** As in {@link FallbackContext}. */
  readonly requestBytes?: Buffer | undefined;
  /** As in {@link FallbackContext}. */
  readonly metadata: Metadata;
  /** As in {@link FallbackContext}. */
  readonly credentials?: CallCredentials | undefined;
  /** As in {@link FallbackContext}. */
  readonly host: string | undefined;
  /**
   * The metadata as they were sent, behind all interceptors, for each attempt to send the call. Empty if nothing proves what was sent:
   * the client has other interceptors behind the guard and no `guard.clientOptions()`, an interceptor has answered the call itself,
   * or an adapter has no `sendsAsGiven`. Undefined if the caller's own were sent: the guard is the innermost interceptor, or the user of
   * `guard.call()` or of an adapter has stated it.
   */
  readonly sentMetadata?: readonly Metadata[] | undefined;
  /**
   * Whether an interceptor behind the guard has sent the call with other call credentials, or another `host`, than the caller's; or
   * may have, in a client made with `guard.clientOptions()`. Else false where `sentMetadata` is empty. @default false
   */
  readonly sentWithOtherOptions?: boolean | undefined;
  /** The answer's initial metadata, where the server sent them. */
  readonly responseMetadata?: Metadata | undefined;
  /** The primary's message. Must not be changed. */
  readonly response: Res;
  /**
   * The protobuf bytes of `response`, as the server sent them. Only there for a client made with `guard.clientOptions()` that has no
   * interceptor behind the guard. Copy what you keep, because the caller's message may use the same memory.
   */
  readonly responseBytes?: Buffer | undefined;
}

/**
 * The part of a `MethodDefinition` (ts-proto's or proto-loader's) that types and serializes a method. Its functions are
 * declared as methods, so that a list can have methods of different types.
 */
export interface Method<Req, Res> {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Whether the caller sends a stream of messages. */
  readonly requestStream: boolean;
  /** Whether the server answers with a stream of messages. */
  readonly responseStream: boolean;
  /** Encodes a request. */
  requestSerialize(value: Req): Buffer;
  /** Decodes a request. */
  requestDeserialize(bytes: Buffer): Req;
  /** Encodes an answer. */
  responseSerialize(value: Res): Buffer;
  /** Decodes an answer. */
  responseDeserialize(bytes: Buffer): Res;
}

/** An answer, or undefined to decline; at once or as a promise. */
export type Answering<Res> = Answer<Res> | undefined | PromiseLike<Answer<Res> | undefined>;

/**
 * One way to answer a call that the primary did not answer.
 *
 * `answer` returns an answer, or undefined to decline. If it throws or rejects, the next strategy is asked. A synchronous answer
 * costs no timer, no promise and no abort signal, and is given even after the deadline.
 */
export interface FallbackStrategy<Req, Res> {
  /** Its name, and the usual `failsoft-source` of its answers. */
  readonly name: Source;
  /** The causes that it serves. @default 'always' */
  readonly when?: When;
  /** Time limit of an answer, in milliseconds; the deadline limits it too. @default Infinity */
  readonly timeoutMs?: number;
  /** Share of the remaining deadline that an answer may take, above 0, up to 1. @default 1 */
  readonly budgetShare?: number;
  /** Can be changed while running. @default true */
  enabled?: boolean;
  /**
   * Whether it may make the caller wait, for a network or a store. `true`: it is not asked when no time is left or too many calls
   * of the chain wait, and only a share of the slow calls ask it (`slowShare` of the chain). Set it to true for a strategy that
   * calls a model. @default undefined: it is always asked; if it gives a promise when no time is left or too many calls wait, the
   * promise is aborted and dropped
   */
  readonly waits?: boolean;
  /** Ends the chain without an answer: neither it nor a later strategy is asked. See `noFallback()`. @default false */
  readonly stops?: boolean;
  /**
   * Set to true if every message is a fresh object from this method's `responseDeserialize`: it then skips the encode/decode
   * copy. @default false
   */
  readonly decoded?: boolean;
  /**
   * Whether it, or its `keep`, reads the request or the metadata. If no strategy of a method does, its calls keep no copies of
   * them: the caller may then have changed both, and of a stream only the first message is there. @default true
   */
  readonly readsCall?: boolean;
  /** Answers the call, or returns undefined to decline. If it throws or rejects, the next strategy is asked. */
  answer(context: FallbackContext<Req>): Answering<Res>;
  /** Called once for each method that it is registered for. It throws if it cannot serve the method. */
  bind?(method: Method<Req, Res>): void;
  /** Gets each good answer of the primary. It must be quick: every call waits for it. */
  keep?(answer: PrimaryAnswer<Req, Res>): void;
  /**
   * Called once by each registry, after the first `bind`. The strategy must call `report` at each change of the state of its store
   * or queue; the registry emits the event `store`.
   */
  reportStore?(report: (event: StoreEvent) => void): void;
  /**
   * Called once by each registry, after the first `bind`. The strategy must call `report` with each error of a user's function that
   * harms no call (a listener, a rule); the registry emits the event `warning`.
   */
  reportWarnings?(report: (event: WarningEvent) => void): void;
  /** The circuit around its own calls; metrics and the page show it under the strategy's name. Undefined where it has none. */
  readonly circuit?: Circuit | undefined;
  /** Called once by each registry, if it has a circuit. The strategy must call `listener` at each change of the circuit. */
  reportCircuit?(listener: CircuitListener): void;
  /** Its counts and sizes, for metrics; undefined where it keeps nothing. */
  storeReading?(): StoreReading | undefined;
  /** Frees its resources. Called by `FallbackRegistry.close()`. */
  close?(): void | Promise<void>;
}
