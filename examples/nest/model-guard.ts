import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientOptions } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { createGuard, defaultPrediction, FallbackRegistry, lastGood } from 'failsoft';

/** The protocol, from the package: no copy of the proto file, no code generator. */
export const PROTO = fileURLToPath(import.meta.resolve('failsoft/protos/inference/grpc_service.proto'));
/** For Nest's client and for the definitions below: their messages must have one shape. */
export const LOADER = { includeDirs: [join(dirname(PROTO), '..')], longs: Number, defaults: true };

function modelInfer() {
  const { 'inference.GRPCInferenceService': service } = loadSync(PROTO, LOADER);
  if (service === undefined || 'format' in service) throw new Error('no service in the proto file');
  if (service.ModelInfer === undefined) throw new Error('no ModelInfer in the service');
  return service.ModelInfer;
}

/** The guard of the whole application: every module that calls models injects it. It closes with the module. */
@Injectable()
export class ModelGuard implements OnModuleDestroy {
  readonly #fallbacks = new FallbackRegistry().register(modelInfer(), [
    lastGood(),
    defaultPrediction({
      modelName: 'none',
      outputs: [{ name: 'level', datatype: 'INT64', shape: [1], contents: { int64Contents: [2] } }],
    }),
  ]);

  // Nest's clients hide the headers of an answer: the guard remembers where each answer came from.
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
