import type { CallCredentials, InterceptorOptions, Metadata, StatusObject } from '@grpc/grpc-js';
import type { CircuitSnapshot, RejectionReason } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';

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
    };

/** An earlier strategy of the chain that did not answer. */
export interface Attempt {
  /** The name of the strategy: the source that its answer would have had. */
  readonly strategy: string;
  /**
   * `declined`: had no answer. `failed`: threw, or answered with what is no message of the method. `timed-out`: its
   * time, or the caller's, was over. `disabled`: switched off. `capped`: too many calls of the chain were waiting.
   * `stopped`: it ended the chain.
   */
  readonly result: 'declined' | 'failed' | 'timed-out' | 'disabled' | 'capped' | 'stopped';
  /** What it threw, where it threw. */
  readonly error?: unknown;
}

/** The facts of a call: the same for every strategy that is asked. */
export interface CallFacts<Req> {
  /** The method's path, `/package.Service/Method`. */
  readonly method: string;
  /** The first (for most methods: the only) message of the caller, as it was sent: a copy. */
  readonly request: Req;
  /** The first message in the protobuf bytes in which it was sent, where the caller's encoder took it. */
  readonly requestBytes?: Buffer | undefined;
  /** Every message sent so far, up to the byte limit; for client streams. */
  readonly requests: readonly Req[];
  /** A copy of the caller's metadata, as the call began. Not to be changed. */
  readonly metadata: Metadata;
  /** Why the primary did not answer. */
  readonly cause: Cause;
  /** Names the call's circuit: target, method and key part, as events, snapshots and rejections have it. */
  readonly circuitKey: string;
  /** The circuit as it is now; taken when read. */
  readonly circuit: CircuitSnapshot;
  /** The call's own credentials, where the caller passed some: they are not in the metadata. */
  readonly credentials?: CallCredentials | undefined;
  /** The call option `host`, where the caller passed it: the `:authority` that the server sees. */
  readonly host: string | undefined;
}

/** The part of a context that is the asked strategy's own: its time, its signal, the attempts before it. */
export interface AttemptScope {
  /** What is left of the caller's deadline, in milliseconds; Infinity without one, 0 when it is over. */
  readonly remainingMs: number;
  /** The deadline itself in milliseconds since the epoch (Date.now()'s scale); Infinity without one. */
  readonly deadlineMs: number;
  /**
   * How long this strategy may take from when it is asked, in milliseconds: its `timeoutMs` and its `budgetShare` of what
   * is left of the deadline then, whichever is less. Infinity without either.
   */
  readonly budgetMs: number;
  /**
   * Aborts when the caller cancels (reason: an `AbortError`), the deadline passes or the strategy's own time is over (a
   * `TimeoutError`). Made when first read.
   */
  readonly signal: AbortSignal;
  /** The server call that this call is made for, where the caller passed `parent`. */
  readonly parent: ParentCall | undefined;
  /** The earlier strategies of the chain that were asked, or would have been, and did not answer. Frozen. */
  readonly attempts: readonly Attempt[];
}

/** The call as one strategy sees it. */
export interface FallbackContext<Req> extends CallFacts<Req>, AttemptScope {}

/** One answer of a strategy. */
export interface Answer<Res> {
  /** The message; for server-streaming and bidi methods it may be an iterable of messages. */
  readonly message: Res | Iterable<Res> | AsyncIterable<Res>;
  /** Where it comes from, as `failsoft-source` names it. */
  readonly source: Source;
  /** How old it is, where it was kept. */
  readonly ageMs?: number;
  /** Further metadata of the answer (a job's id, say). */
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
   * The metadata as they went out, after the interceptors behind the guard. Undefined where nothing but `metadata` can
   * have gone out.
   */
  readonly sentMetadata?: Metadata | undefined;
  /** The answer's initial metadata; undefined where it came without. */
  readonly responseMetadata?: Metadata | undefined;
  /** The primary's message. Not to be changed. */
  readonly response: Res;
}

/** The causes that a strategy serves. */
export type When = 'rejected' | 'failed' | 'always';

/**
 * The part of a `MethodDefinition` (ts-proto's or proto-loader's) that types and serializes a method. Its functions are
 * declared as methods, so that methods of all types fit in one list.
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

/** An answer, or undefined for none; at once or later. */
export type Answering<Res> = Answer<Res> | undefined | PromiseLike<Answer<Res> | undefined>;

/**
 * One way to answer a call that the primary did not answer.
 *
 * `answer` gives an answer, or undefined to decline; it may throw or reject, and then the next strategy is asked.
 * A synchronous answer costs no timer, no promise and no abort signal, and is given even when the deadline is over.
 */
export interface FallbackStrategy<Req, Res> {
  /** As in `failsoft-source`. */
  readonly name: Source;
  /** @default 'always' */
  readonly when?: When;
  /** The most time one answer may take, in milliseconds; never more than what is left of the deadline. @default Infinity */
  readonly timeoutMs?: number;
  /** The most of what is left of the deadline that one answer may take, 0 to 1. @default 1 */
  readonly budgetShare?: number;
  /** Can be switched while running. @default true */
  enabled?: boolean;
  /**
   * Whether it may make the caller wait (for a network, a store). Where it does, it is not asked at all when no time is
   * left or too many calls of the chain wait already. @default found out by asking: a promise is aborted and dropped then
   */
  readonly waits?: boolean;
  /** Ends the chain without an answer: neither it nor a later strategy is asked. See `noFallback()`. @default false */
  readonly stops?: boolean;
  /**
   * Whether its messages come from the method's own deserializer and belong to nobody else. Others are put through the
   * method's serializer and back, so that the caller gets exactly what a server could have sent, and a copy of its own.
   * @default false
   */
  readonly decoded?: boolean;
  /**
   * Whether it, or its `keep`, looks at the request or the metadata. Where no strategy of a method does, no call pays for
   * remembering what it sent: both may have changed since, and of a stream there is only the first message. @default true
   */
  readonly readsCall?: boolean;
  /** Answers the call, or gives undefined to decline. May throw or reject: the next strategy is asked then. */
  answer(context: FallbackContext<Req>): Answering<Res>;
  /** Called once for each method it is registered for; throws when it cannot serve the method. */
  bind?(method: Method<Req, Res>): void;
  /** Sees each good answer of the primary. Must be quick: it is on the call's way. */
  keep?(answer: PrimaryAnswer<Req, Res>): void;
  /** Frees what the strategy holds. Called by `close()` of the registry that it was registered in. */
  close?(): void | Promise<void>;
}
