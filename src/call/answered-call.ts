import type { InterceptingListener, InterceptorOptions, Metadata, StatusObject } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { MethodGuard } from './method-guard.js';

/** What answering without the server needs of a call. */
export interface AnsweredCall {
  readonly guard: MethodGuard;
  readonly options: InterceptorOptions;
  readonly listener: Partial<InterceptingListener>;
  /** Undefined when this call has no fallbacks. */
  readonly chain: FallbackChain | undefined;
  readonly metadata: Metadata;
  /** Milliseconds since the epoch; Infinity without one. */
  readonly deadlineMs: number;
  /** Messages that the caller has asked for and not been given; for response streams. */
  readonly reads: number;
  /** What the caller has sent, as it was then: copies. */
  requests(): readonly unknown[];
  /** The first of it, in the bytes that it was sent in. */
  readonly requestBytes: Buffer | undefined;
  /** A fallback answers: whatever the server may still say is not wanted. */
  onAnswer(): void;
  /** No fallback answers a call that failed: the caller gets what the server said. */
  passOn(received: StatusObject): void;
}
