import type { Metadata } from '@grpc/grpc-js';
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadataResponse_TensorMetadata,
} from '../../gen/inference/grpc_service.js';

/** The parts of a call, beside the request, that a model gets. */
export interface ModelContext {
  /** Aborts when the client has gone: it cancelled, its deadline passed, or its connection was lost. */
  readonly signal: AbortSignal;
  /** The headers of the call. */
  readonly metadata: Metadata;
}

/** A response, or any number of responses where the model streams. */
export type ModelAnswer = ModelInferResponse | AsyncIterable<ModelInferResponse>;

/** A model that the mock server serves. */
export interface ServedModel {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly ModelMetadataResponse_TensorMetadata[];
  readonly outputs: readonly ModelMetadataResponse_TensorMetadata[];
  /** 0: no batch dimension; above 0, it is the first dimension of each tensor. */
  readonly maxBatchSize: number;
  /** Whether one request may have any number of responses: it is served by ModelStreamInfer alone. */
  readonly decoupled: boolean;
  /** The latency when all is well, in milliseconds. */
  readonly latencyMs: number;
  /** Checks a request before it queues. @returns a function that runs it @throws RequestError */
  prepare(request: ModelInferRequest): (context: ModelContext) => ModelAnswer | Promise<ModelAnswer>;
}

export function isStreamed(answer: ModelAnswer): answer is AsyncIterable<ModelInferResponse> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}
