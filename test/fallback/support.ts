import { Metadata, status } from '@grpc/grpc-js';
import { GRPCInferenceServiceService, ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import type { CircuitSnapshot } from '../../src/circuit/types.js';
import { CallContext } from '../../src/fallback/chain/call-context.js';
import type { FallbackChain } from '../../src/fallback/chain/chain.js';
import type { AbortCause, ChainCall } from '../../src/fallback/chain/chain-call.js';
import { StrategyScope } from '../../src/fallback/chain/strategy-scope.js';
import { FallbackRegistry } from '../../src/fallback/registry.js';
import type {
  Cause,
  FallbackContext,
  FallbackStrategy,
  Method,
  PrimaryAnswer,
} from '../../src/fallback/strategy.js';

export const METHOD: Method<ModelInferRequest, ModelInferResponse> = GRPCInferenceServiceService.modelInfer;

export const REJECTED: Cause = { kind: 'rejected', reason: 'CIRCUIT_OPEN', retryAfterMs: 1000 };
export const FAILED: Cause = {
  kind: 'failed',
  outcome: 'failure',
  status: { code: status.UNAVAILABLE, details: 'gone', metadata: new Metadata() },
};

export const TIMED_OUT: Cause = {
  kind: 'failed',
  outcome: 'failure',
  status: { code: status.DEADLINE_EXCEEDED, details: 'late', metadata: new Metadata() },
};

/** A call in fallback, moved by hand. */
export class FakeCall implements ChainCall {
  readonly method: string;
  readonly request: unknown;
  readonly requests: readonly unknown[];
  readonly metadata: Metadata;
  readonly cause: Cause;
  readonly circuitKey: string;
  readonly parent = undefined;
  readonly credentials;
  readonly host: string | undefined;
  readonly clock: ManualClock;
  readonly deadlineMs: number;
  readonly listeners = new Set<(cause: AbortCause) => void>();

  constructor(
    options: {
      method?: string;
      request?: unknown;
      requests?: readonly unknown[];
      metadata?: Metadata;
      cause?: Cause;
      clock?: ManualClock;
      leftMs?: number;
      credentials?: ChainCall['credentials'];
      host?: string;
      circuitKey?: string;
    } = {},
  ) {
    this.method = options.method ?? METHOD.path;
    this.request = options.request ?? request();
    this.requests = options.requests ?? [this.request];
    this.metadata = options.metadata ?? new Metadata();
    this.cause = options.cause ?? REJECTED;
    this.clock = options.clock ?? new ManualClock(1_000_000);
    this.deadlineMs = this.clock.now() + (options.leftMs ?? Infinity);
    this.credentials = options.credentials;
    this.host = options.host;
    this.circuitKey = options.circuitKey ?? this.method;
  }

  get circuit(): CircuitSnapshot {
    throw new Error('no strategy here reads the circuit');
  }

  get remainingMs(): number {
    return Math.max(0, this.deadlineMs - this.clock.now());
  }

  onAbort(listener: (cause: AbortCause) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** As a strategy sees it that is asked directly. */
  asked<Req>(): FallbackContext<Req> {
    return Object.assign(
      new CallContext(this, new StrategyScope(this, [], Number.POSITIVE_INFINITY, 1, true)),
    );
  }

  abort(cause: AbortCause): void {
    for (const listener of [...this.listeners]) listener(cause);
  }
}

/** A good answer of the primary, as a chain is given it. */
export function primaryAnswer(
  fields: Partial<PrimaryAnswer<ModelInferRequest, ModelInferResponse>> = {},
): PrimaryAnswer<ModelInferRequest, ModelInferResponse> {
  return {
    method: METHOD.path,
    circuitKey: METHOD.path,
    request: request(),
    metadata: new Metadata(),
    host: undefined,
    response: response(),
    ...fields,
  };
}

export function request(fields: Partial<ModelInferRequest> = {}): ModelInferRequest {
  return ModelInferRequest.fromPartial({ modelName: 'demand', ...fields });
}

export function response(fields: Partial<ModelInferResponse> = {}): ModelInferResponse {
  return ModelInferResponse.fromPartial({ modelName: 'demand', ...fields });
}

export function metadata(entries: Record<string, string | Buffer>): Metadata {
  const made = new Metadata();
  for (const [key, value] of Object.entries(entries)) made.add(key, value);
  return made;
}

/** A promise and its hands. */
export function deferredPromise<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The chain of `modelInfer`, as a registry makes it. */
export function chainOf(
  strategies: readonly FallbackStrategy<ModelInferRequest, ModelInferResponse>[],
): FallbackChain {
  const chain = new FallbackRegistry().register(METHOD, strategies).chainFor(METHOD.path);
  if (chain === undefined) throw new Error('a registered method has no chain');
  return chain;
}
