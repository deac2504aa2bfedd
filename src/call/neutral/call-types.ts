import type { Deadline, Metadata, StatusObject } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Provenance } from '../../status/provenance.js';

/** The method of a call. A call that is not gRPC needs only a name. */
export interface CallShape {
  /** `/package.Service/Method`, or a name of your own without `#`. It selects the rules, the fallbacks and the circuit. */
  readonly path: string;
  /** Whether the request is a stream (an `AsyncIterable`). @default false */
  readonly requestStream?: boolean;
  /** Whether the answer is a stream. @default false */
  readonly responseStream?: boolean;
}

/** A {@link CallShape} with the types of the request and the answer, like a `MethodDefinition`. */
export interface CallDefinition<Req = unknown, Res = unknown> extends CallShape {
  /** Gives the request's type. Not called. */
  requestSerialize?(value: Req): Uint8Array;
  /** Gives the answer's type. Not called. */
  responseDeserialize?(bytes: Buffer): Res;
}

/** What `next` of `guard.call()` gets for making the real call. */
export interface PrimaryContext<Req> {
  /** The request to send. For a request stream, read this one and not your own, because fallbacks get copies of what is read. */
  readonly request: Req;
  /** The caller's metadata. Not to be changed. */
  readonly metadata: Metadata;
  /**
   * When the real call must end, in milliseconds since the epoch: the caller's deadline, less the time that is reserved for
   * fallbacks. Infinity without a deadline.
   */
  readonly deadlineMs: number;
  /** The time until `deadlineMs`, in milliseconds; Infinity without a deadline, 0 after it. */
  readonly remainingMs: number;
  /**
   * Aborts when the real call must end, because its time is over (reason: a `TimeoutError`) or its caller has gone (reason: an
   * `AbortError`, or the caller's own). After a fallback's answer to a slow call (`fallbackAfterMs`), the caller can no longer end the
   * real call. Made when first read.
   */
  readonly signal: AbortSignal;
  /** Call it with the server's initial metadata. The label of a gateway's fallback in them becomes the answer's `upstream`. */
  onHeaders(metadata: Metadata): void;
  /**
   * Tells which metadata were sent, for strategies that keep answers under the caller's metadata, such as `lastGood`. Call it before
   * `next` resolves: with the metadata of the request that was sent, if they may differ from the caller's (an answer to another
   * caller is not kept); with undefined, if you cannot know them (an answer is then kept only if callers do not differ, `vary: []`).
   * The last report counts. Not calling it is your statement that the metadata of `vary` were sent as the caller gave them.
   * @default the caller's metadata
   */
  onSent(metadata: Metadata | undefined): void;
}

/** How a transport's errors become gRPC statuses, and statuses become errors. */
export interface CallPort {
  /**
   * The status of an error that `next` threw; undefined for the default.
   * @default gRPC errors by their `code`, HTTP errors by their `status`, network errors are UNAVAILABLE, a `TimeoutError` is
   * DEADLINE_EXCEEDED, any other error is UNKNOWN
   */
  statusOf?(error: unknown): Partial<StatusObject> | undefined;
  /**
   * The error that the caller gets for a status of the guard itself: a rejection, or DEADLINE_EXCEEDED.
   * @default an Error with `code`, `details` and `metadata`, like grpc-js's; `circuitRejectionOf(error)` reads it
   */
  errorOf?(status: StatusObject, rejection: Rejection | undefined): unknown;
  /** The outcome of a call that threw this error; undefined to let the status decide. @default the status decides */
  outcomeOf?(error: unknown): Outcome | undefined;
}

/** Options of `guard.call()` and `guard.callStream()`. */
export interface GuardCallOptions extends FailsoftCallOptions, CallPort {
  /**
   * Cancels the call: it rejects with the signal's reason, and its outcome is `ignored`. But a `TimeoutError`, the reason of
   * `AbortSignal.timeout()`, is a deadline that the server missed: a fallback that answers at once still answers. @default none
   */
  readonly signal?: AbortSignal | undefined;
  /** A Date, or milliseconds since the epoch. @default after `defaultDeadlineMs`, or `streamDeadlineMs` for a stream */
  readonly deadline?: Deadline | undefined;
  /** Metadata of the request, for keys and fallbacks. You may change the object once the call has begun. @default empty */
  readonly metadata?: Metadata | undefined;
  /** The `:authority` or `Host`, for a client of several hosts: an answer of one host is never given for another. @default none */
  readonly host?: string | undefined;
  /** The target in the circuit's key, as in `guard.forTarget()`. @default '' */
  readonly target?: string | undefined;
}

/** An answer and its source. */
export interface CallAnswer<Res> extends Provenance {
  /** The primary's answer, or a fallback's. */
  readonly response: Res;
  /** The label of a fallback's answer, as metadata; undefined for the primary's answer. */
  readonly label: Metadata | undefined;
}
