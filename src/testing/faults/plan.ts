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
  | {
      /** Every call takes the same. */
      readonly kind: 'fixed';
      /** In milliseconds. */
      readonly ms: number;
    }
  | {
      /** Each time between the two bounds is as likely as any other. */
      readonly kind: 'uniform';
      /** The lower bound, in milliseconds. */
      readonly minMs: number;
      /** The upper bound, in milliseconds. */
      readonly maxMs: number;
    }
  | {
      /** A bell curve. Values below 0 count as 0. */
      readonly kind: 'normal';
      /** In milliseconds. */
      readonly meanMs: number;
      /** In milliseconds. */
      readonly standardDeviationMs: number;
    }
  | {
      /** A bell curve of the logarithm: with a tail, as real models have it. */
      readonly kind: 'lognormal';
      /** Half of the calls take longer, in milliseconds. */
      readonly medianMs: number;
      /** The standard deviation of the logarithm: 0.5 is a mild tail, 1 a long one. */
      readonly sigma: number;
    }
  | {
      /** Many short times and a long tail. */
      readonly kind: 'exponential';
      /** In milliseconds. */
      readonly meanMs: number;
    };

/** A latency that is high at first and falls. */
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

/** How many calls of a model run and wait. */
export interface QueueLimit {
  /** How many calls run at once, at least 1. */
  readonly concurrency: number;
  /** How many may wait. 0: none. */
  readonly maxQueued: number;
  /** How long a call waits at most. Left out: for ever. */
  readonly timeoutMs?: number;
}

/** What is wrong with the streams of a model. */
export interface StreamFault {
  /** Waits this long between two answers. @default 0 */
  readonly gapMs?: number;
  /** What goes wrong, once. */
  readonly fault?: StreamBreak;
}

/** What goes wrong after `afterMessages` answers of a stream: at the next request, or in place of the stream's end. */
export type StreamBreak = {
  /** How many answers come before, 0 or more. */
  readonly afterMessages: number;
} & (
  | {
      /** The stream ends with a status. */
      readonly kind: 'error';
      /** A gRPC status code, 1 to 16. */
      readonly code: number;
      /** @default "injected fault" */
      readonly details?: string;
    }
  | {
      /**
       * One item gets this `error_message` in a stream that goes on. With the header `triton_grpc_error: true` the stream
       * ends with INTERNAL and this text.
       */
      readonly kind: 'error-message';
      /** The text. */
      readonly message: string;
    }
  | {
      /** Nothing more comes, and the stream does not end. */
      readonly kind: 'stall';
    }
  | {
      /**
       * The connection is destroyed; also when a client of grpc-js cancels the stream then, as it ends its stream first, and
       * tells of the cancellation in a frame that comes later.
       */
      readonly kind: 'drop';
    }
);
