/**
 * The faults of a model of the mock server. `{}` is a healthy model.
 * Shares are drawn per call from the server's seed, in the order drop, hang, error.
 */
export interface FaultPlan {
  /** The latency in place of the model's own. @default the model's own */
  readonly latency?: Latency;
  /** Factor on the latency: 20 is a brownout. @default 1 */
  readonly latencyMultiplier?: number;
  /**
   * A higher latency that falls to the usual latency. It begins when the plan is set, or when a server starts with the plan.
   * @default none
   */
  readonly warmUp?: WarmUp;
  /** Answers calls with a status, after the latency. @default none */
  readonly error?: ErrorFault;
  /** Share of calls, 0 to 1, that hang: they hold a place of the queue until they are cancelled. @default 0 */
  readonly hangShare?: number;
  /** Share of calls, 0 to 1, whose connection is destroyed, with all other calls on it. @default 0 */
  readonly dropShare?: number;
  /** Limits the calls that run and wait. Further calls get the overload answer of the server's preset. @default no limit */
  readonly queue?: QueueLimit;
  /** ModelReady answers false, and inference gets the not-ready answer of the server's preset. @default false */
  readonly notReady?: boolean;
  /** Faults between the answers of a ModelStreamInfer stream. @default none */
  readonly stream?: StreamFault;
}

/** The latency of a model, in milliseconds. */
export type Latency =
  | {
      /** The same latency for every call. */
      readonly kind: 'fixed';
      /** In milliseconds. */
      readonly ms: number;
    }
  | {
      /** Evenly distributed between two bounds. */
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
      /** A bell curve of the logarithm: it has a tail, like the latencies of real models. */
      readonly kind: 'lognormal';
      /** The median, in milliseconds: half of the calls take longer. */
      readonly medianMs: number;
      /** The standard deviation of the logarithm: 0.5 gives a mild tail, 1 a long tail. */
      readonly sigma: number;
    }
  | {
      /** Many short times and a long tail. */
      readonly kind: 'exponential';
      /** In milliseconds. */
      readonly meanMs: number;
    };

/** A higher latency that falls to the usual latency. */
export interface WarmUp {
  /** Factor on the latency at the beginning, at least 1. */
  readonly multiplier: number;
  /** Time in which the factor falls linearly to 1, in milliseconds. */
  readonly durationMs: number;
}

/** Calls end with a gRPC status. */
export interface ErrorFault {
  /** Share of calls, 0 to 1. @default 1 */
  readonly share?: number;
  /** A gRPC status code, 1 (CANCELLED) to 16 (UNAUTHENTICATED): one of grpc-js's `status`. */
  readonly code: number;
  /** @default "injected fault" */
  readonly details?: string;
  /** The value of the trailer `grpc-retry-pushback-ms`, in milliseconds. Negative: do not retry (gRFC A6). @default none */
  readonly pushbackMs?: number;
  /** The delay of a google.rpc.RetryInfo in the trailer `grpc-status-details-bin`, in milliseconds. @default none */
  readonly retryDelayMs?: number;
  /** Further trailers, in ASCII. @default none */
  readonly trailers?: Readonly<Record<string, string>>;
}

/** Limits of the calls of a model that run and wait. */
export interface QueueLimit {
  /** Most calls that run at once, at least 1. */
  readonly concurrency: number;
  /** Most calls that wait; with 0 no call waits. */
  readonly maxQueued: number;
  /** Longest wait of a call, in milliseconds. @default no limit */
  readonly timeoutMs?: number;
}

/** Faults in the streams of a model. */
export interface StreamFault {
  /** Pause between two answers, in milliseconds. @default 0 */
  readonly gapMs?: number;
  /** A fault in the stream, once. @default none */
  readonly fault?: StreamBreak;
}

/** A fault after `afterMessages` answers of a stream: at the next request, or in place of the stream's end. */
export type StreamBreak = {
  /** Number of answers before the fault, 0 or more. */
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
       * An item gets this `error_message`, and the stream goes on. With the header `triton_grpc_error: true` the stream ends
       * with INTERNAL and this text.
       */
      readonly kind: 'error-message';
      /** The text. */
      readonly message: string;
    }
  | {
      /** The stream hangs: no more answers, and no end. */
      readonly kind: 'stall';
    }
  | {
      /**
       * The connection is destroyed. That happens also when a grpc-js client cancels the stream at that moment, because the client
       * ends its side of the stream first and sends the cancellation in a later frame.
       */
      readonly kind: 'drop';
    }
);
