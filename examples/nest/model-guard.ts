import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientOptions } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { createGuard, defaultPrediction, FallbackRegistry, lastGood } from 'failsoft';

/** The protocol's file in the package: it needs no copy and no code generator. */
export const PROTO = fileURLToPath(import.meta.resolve('failsoft/protos/inference/grpc_service.proto'));
/** Options for Nest's client and for the definitions below: the messages of both must have the same shape. */
export const LOADER = { includeDirs: [join(dirname(PROTO), '..')], longs: Number, defaults: true };

function modelInfer() {
  const { 'inference.GRPCInferenceService': service } = loadSync(PROTO, LOADER);
  if (service === undefined || 'format' in service) throw new Error('no service in the proto file');
  if (service.ModelInfer === undefined) throw new Error('no ModelInfer in the service');
  return service.ModelInfer;
}

/** The guard of the whole application. Every module that calls models injects it, and it closes with the application. */
@Injectable()
export class ModelGuard implements OnModuleDestroy {
  readonly #fallbacks = new FallbackRegistry().register(modelInfer(), [
    lastGood(),
    defaultPrediction({
      modelName: 'none',
      outputs: [{ name: 'level', datatype: 'INT64', shape: [1], contents: { int64Contents: [2] } }],
    }),
  ]);

  // Nest's clients hide the headers of an answer: with this option the guard remembers the source of each answer.
  readonly guard = createGuard({
    defaultDeadlineMs: 500,
    rememberProvenance: true,
    fallbacks: this.#fallbacks,
  });

  /** For `channelOptions` of a ClientsModule. */
  get channelOptions(): ClientOptions {
    return { interceptors: [this.guard.interceptor] };
  }

  async onModuleDestroy(): Promise<void> {
    await this.guard.close();
    await this.#fallbacks.close();
  }
}
