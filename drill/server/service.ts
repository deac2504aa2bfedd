import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type GRPCInferenceServiceServer,
  type ModelInferRequest,
  ModelInferResponse,
  type ModelStreamInferResponse,
} from 'failsoft/protos/oip';
import { STREAM_MESSAGES } from '../scenario/scenario.js';
import type { LogFile } from './log.js';
import type { ModelServer, Reply } from './model-server.js';

/** The metadata that carries a call's number. */
export const CALL_ID = 'drill-id';
/** The id of a request that the server must refuse. */
export const BAD_REQUEST = 'bad';

/** The inference service over gRPC: it notes each call, and the model server decides how the call ends. */
export class DrillService {
  readonly #models: ModelServer;
  readonly #log: LogFile;
  readonly #name: string;
  /** Called after each arrival. */
  onArrival: () => void = () => {};

  constructor(models: ModelServer, log: LogFile, name: string) {
    this.#models = models;
    this.#log = log;
    this.#name = name;
  }

  modelInfer(
    call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
    callback: sendUnaryData<ModelInferResponse>,
  ): void {
    const leave = this.#arrive(call.metadata, call.request, (reply) => {
      if (reply.code === status.OK) callback(null, this.#answer(call.request));
      else callback(errorOf(reply));
    });
    call.on('cancelled', leave);
  }

  modelStreamInfer(call: ServerDuplexStream<ModelInferRequest, ModelStreamInferResponse>): void {
    call.once('data', (request: ModelInferRequest) => {
      const leave = this.#arrive(call.metadata, request, (reply) => {
        if (reply.code !== status.OK) {
          call.emit('error', errorOf(reply));
          return;
        }
        const { stallsAfterMessages = STREAM_MESSAGES } = this.#models.trouble(request.modelName);
        for (let n = 0; n < Math.min(STREAM_MESSAGES, stallsAfterMessages); n++)
          call.write({ errorMessage: '', inferResponse: this.#answer(request) });
        if (stallsAfterMessages >= STREAM_MESSAGES) call.end();
      });
      call.on('cancelled', leave);
    });
  }

  #arrive(metadata: Metadata, request: ModelInferRequest, done: (reply: Reply) => void): () => void {
    this.#log.arrival(Number(metadata.get(CALL_ID)[0]), request.modelName);
    const leave = this.#models.arrive(request.modelName, request.id === BAD_REQUEST, done);
    this.onArrival();
    return leave;
  }

  #answer(request: ModelInferRequest): ModelInferResponse {
    return ModelInferResponse.fromPartial({ modelName: request.modelName, modelVersion: this.#name });
  }
}

/** The rpcs that the drills call; the others are not implemented. */
export function handlersOf(
  service: DrillService,
): Pick<GRPCInferenceServiceServer, 'modelInfer' | 'modelStreamInfer'> {
  return {
    modelInfer: (call, callback) => service.modelInfer(call, callback),
    modelStreamInfer: (call) => service.modelStreamInfer(call),
  };
}

function errorOf({ code, pushbackMs }: Reply) {
  const metadata = new Metadata();
  if (pushbackMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(pushbackMs));
  return { code, details: 'drill', metadata };
}
