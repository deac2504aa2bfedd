import type { Deadline, Metadata, StatusObject } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Provenance } from '../../status/provenance.js';

/** The method that a call is for. A call that is no gRPC needs a name only. */
export interface CallShape {
  /** `/package.Service/Method`, or a name of your own without `#`. Rules, fallbacks and circuits are found by it. */
  readonly path: string;
  /** Whether the request is a stream (an `AsyncIterable`). @default false */
  readonly requestStream?: boolean;
  /** Whether the answer is a stream. @default false */
  readonly responseStream?: boolean;
}

/** A {@link CallShape} that types the request and the answer, as a `MethodDefinition` does. */
export interface CallDefinition<Req = unknown, Res = unknown> extends CallShape {
  /** Only for its type. */
  requestSerialize?(value: Req): Uint8Array;
  /** Only for its type. */
  responseDeserialize?(bytes: Buffer): Res;
}

/** The real call, as `next` of `guard.call()` sees it. */
export interface PrimaryContext<Req> {
  /** To be sent. Of a stream these are the messages as the guard passes them on. */
  readonly request: Req;
  /** The caller's metadata. Not to be changed. */
  readonly metadata: Metadata;
  /** When the real call must end, in milliseconds since the epoch: earlier than the caller's deadline where fallbacks have time reserved. */
  readonly deadlineMs: number;
  /** The time until then, in milliseconds; Infinity without a deadline, 0 after it. */
  readonly remainingMs: number;
  /**
   * Aborts when the real call must end: its time is over (reason: a `TimeoutError`), or its caller has gone (an `AbortError`, or
   * the caller's own reason). Made when first read.
   */
  readonly signal: AbortSignal;
  /** Passes the server's initial metadata on: the label of a gateway behind it becomes the answer's `upstream`. */
  onHeaders(metadata: Metadata): void;
  /**
   * Tells the guard the metadata with which the call was sent, where something behind it may have changed them: an answer to
   * another caller is not kept. To be called before `next` resolves. @default as the caller's
   */
  onSent(metadata: Metadata): void;
}

/** How a transport's errors and gRPC's statuses become each other. */
export interface CallPort {
  /**
   * The status of an error that `next` threw; undefined for an error that the transport does not know.
   * @default gRPC errors by their `code`, HTTP errors by their `status`, network errors are UNAVAILABLE, a `TimeoutError` is
   * DEADLINE_EXCEEDED, any other error is UNKNOWN
   */
  statusOf?(error: unknown): Partial<StatusObject> | undefined;
  /**
   * The error of a status that the guard itself gives: a rejection, or DEADLINE_EXCEEDED.
   * @default an Error with `code`, `details` and `metadata`, as of grpc-js; `circuitRejectionOf(error)` reads it
   */
  errorOf?(status: StatusObject, rejection: Rejection | undefined): unknown;
  /** The outcome of a call that threw this error; undefined leaves it to the status. @default by the status */
  outcomeOf?(error: unknown): Outcome | undefined;
}

/** Options of `guard.call()` and `guard.callStream()`. */
export interface GuardCallOptions extends FailsoftCallOptions, CallPort {
  /**
   * Cancels the call. The call rejects with its reason, and is `ignored`; but a `TimeoutError`, which `AbortSignal.timeout()` aborts
   * with, is a deadline that the server missed. @default none
   */
  readonly signal?: AbortSignal | undefined;
  /** A Date, or milliseconds since the epoch. @default the method's `defaultDeadlineMs` */
  readonly deadline?: Deadline | undefined;
  /** Metadata of the request, for keys and fallbacks. @default empty */
  readonly metadata?: Metadata | undefined;
  /** The `:authority` or `Host`, where one client calls several: kept answers of one are not given for another. @default none */
  readonly host?: string | undefined;
  /** As of `guard.forTarget()`. @default '' */
  readonly target?: string | undefined;
}

/** An answer and where it came from. */
export interface CallAnswer<Res> extends Provenance {
  /** The primary's answer, or a fallback's. */
  readonly response: Res;
  /** The label of a fallback's answer, as metadata; undefined for the primary's answer. */
  readonly label: Metadata | undefined;
}
