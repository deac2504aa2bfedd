/**
 * What is wrong with one model of the mock server. Whatever is left out is healthy, and `{}` is a healthy model.
 * Shares are drawn per call from the server's seed, in the order drop, hang, error.
 */
export interface FaultPlan {
  /** In place of the model's own latency. */
  readonly latency?: Latency;
  /** Times the latency: 20 is a brownout. @default 1 */
  readonly latencyMultiplier?: number;
  /** Latency that falls to the usual, from when the plan was set: for a start's plan, from the start. */
  readonly warmUp?: WarmUp;
  /** Answers calls with a status, after the latency. */
  readonly error?: ErrorFault;
  /** The share of calls, 0 to 1, that are never answered. They hold a place of the queue until cancelled. @default 0 */
  readonly hangShare?: number;
  /** The share of calls, 0 to 1, whose connection is destroyed, with all other calls on it. @default 0 */
  readonly dropShare?: number;
  /** Bounds how many calls run and wait; a call beyond that is answered as the server's preset does. */
  readonly queue?: QueueLimit;
  /** ModelReady says no, and inference is answered as the server's preset does. @default false */
  readonly notReady?: boolean;
  /** Faults between the answers of a ModelStreamInfer stream. */
  readonly stream?: StreamFault;
}

/** How long a model takes, in milliseconds. */
export type Latency =
  | { readonly kind: 'fixed'; readonly ms: number }
  | { readonly kind: 'uniform'; readonly minMs: number; readonly maxMs: number }
  /** Values below 0 count as 0. */
  | { readonly kind: 'normal'; readonly meanMs: number; readonly standardDeviationMs: number }
  /** `sigma` is the standard deviation of the logarithm: 0.5 is a mild tail, 1 a long one. */
  | { readonly kind: 'lognormal'; readonly medianMs: number; readonly sigma: number }
  | { readonly kind: 'exponential'; readonly meanMs: number };

export interface WarmUp {
  /** The latency's factor at first, at least 1. */
  readonly multiplier: number;
  /** How long it takes to fall, in a straight line, to 1. */
  readonly durationMs: number;
}

/** A gRPC status and what goes with it. */
export interface ErrorFault {
  /** The share of calls, 0 to 1. @default 1 */
  readonly share?: number;
  /** A gRPC status code, 1 (CANCELLED) to 16 (UNAUTHENTICATED): one of grpc-js's `status`. */
  readonly code: number;
  /** @default "injected fault" */
  readonly details?: string;
  /** The trailer `grpc-retry-pushback-ms`. Negative: do not retry. */
  readonly pushbackMs?: number;
  /** A google.rpc.RetryInfo in the trailer `grpc-status-details-bin`. */
  readonly retryDelayMs?: number;
  /** More trailers, ASCII. */
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface QueueLimit {
  /** How many calls run at once, at least 1. */
  readonly concurrency: number;
  /** How many may wait. 0: none. */
  readonly maxQueued: number;
  /** How long a call waits at most. Left out: for ever. */
  readonly timeoutMs?: number;
}

export interface StreamFault {
  /** Waits this long between two answers. @default 0 */
  readonly gapMs?: number;
  /** What goes wrong, once. */
  readonly fault?: StreamBreak;
}

/** What goes wrong after `afterMessages` answers of a stream: at the next request, or in place of the stream's end. */
export type StreamBreak = { readonly afterMessages: number } & (
  | { readonly kind: 'error'; readonly code: number; readonly details?: string }
  /**
   * One item gets this `error_message` in a stream that goes on. With the header `triton_grpc_error: true` the stream
   * ends with INTERNAL and this text.
   */
  | { readonly kind: 'error-message'; readonly message: string }
  /** Nothing more comes, and the stream does not end. */
  | { readonly kind: 'stall' }
  /**
   * The connection is destroyed; also when a client of grpc-js cancels the stream then, as it ends its stream first, and
   * tells of the cancellation in a frame that comes later.
   */
  | { readonly kind: 'drop' }
);
