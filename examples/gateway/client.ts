import { credentials } from '@grpc/grpc-js';
import {
  type CircuitOptions,
  type Clock,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  lastGood,
  presets,
  secondaryModel,
  systemClock,
} from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { majorityAnswer } from 'failsoft/testing';

export interface GuardedClientOptions {
  /** The model server, `host:port`. */
  readonly address: string;
  /** The server of the small model, which is the large model's fallback. */
  readonly smallAddress: string;
  /** The part of a call's deadline that is kept for the fallbacks, in milliseconds. @default 100 */
  readonly fallbackReserveMs?: number;
  /** @default failsoft's defaults: opens on 5 failures in a row, or half of at least 20 calls */
  readonly circuit?: CircuitOptions;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface GuardedClient {
  readonly client: GRPCInferenceServiceClient;
  readonly guard: Guard;
  close(): Promise<void>;
}

/** A client of the Open Inference Protocol with one circuit per model and a chain of fallbacks. */
export function guardedClient(options: GuardedClientOptions): GuardedClient {
  const { address, smallAddress, fallbackReserveMs = 100, circuit = {}, clock = systemClock } = options;
  const { modelInfer } = GRPCInferenceServiceService;
  const insecure = credentials.createInsecure();
  const small = new GRPCInferenceServiceClient(smallAddress, insecure);
  const fallbacks = new FallbackRegistry().register(modelInfer, [
    // The gateway passes the caller's `authorization` on, and lastGood() keeps the answers of different callers apart by it.
    lastGood({ ttlMs: 60_000, maxStaleMs: 600_000, clock }),
    secondaryModel(small, 'modelInfer', {
      name: 'small',
      request: (request) => ({ ...request, modelName: 'demand-small' }),
    }),
    defaultPrediction(majorityAnswer),
  ]);
  const guard = createGuard({
    classify: presets.triton,
    circuit,
    methods: [{ match: modelInfer, fallbackReserveMs }],
    fallbacks,
    clock,
  });
  const client = new GRPCInferenceServiceClient(address, insecure, guard.clientOptions());
  const close = async () => {
    client.close();
    small.close();
    await guard.close();
  };
  return { client, guard, close };
}
