import {
  type CallOptions,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientOptions,
  type Metadata,
  makeGenericClientConstructor,
} from '@grpc/grpc-js';
import type { ModelInferRequest } from '../gen/inference/grpc_service.js';
import {
  type GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferResponse,
} from '../gen/inference/grpc_service.js';

const { modelStreamInfer } = GRPCInferenceServiceService;

/**
 * The Open Inference Protocol as MLServer serves it. Under Triton's path `ModelStreamInfer`, MLServer streams plain
 * {@link ModelInferResponse} messages, where Triton wraps each message in a ModelStreamInferResponse: read by Triton's definition,
 * each good answer of MLServer would be an error whose text is the model's name.
 */
export const MLServerInferenceServiceService = Object.freeze({
  ...GRPCInferenceServiceService,
  /** Predictions on one stream. An error ends it, with a status. */
  modelStreamInfer: {
    ...modelStreamInfer,
    responseSerialize: (value: ModelInferResponse): Buffer =>
      Buffer.from(ModelInferResponse.encode(value).finish()),
    responseDeserialize: (value: Buffer): ModelInferResponse => ModelInferResponse.decode(value),
  },
});

type ModelStream = ClientDuplexStream<ModelInferRequest, ModelInferResponse>;

/** A client of {@link MLServerInferenceServiceService}. */
export interface MLServerInferenceServiceClient extends Omit<GRPCInferenceServiceClient, 'modelStreamInfer'> {
  modelStreamInfer(options?: Partial<CallOptions>): ModelStream;
  modelStreamInfer(metadata: Metadata, options?: Partial<CallOptions>): ModelStream;
}

export const MLServerInferenceServiceClient = makeGenericClientConstructor(
  MLServerInferenceServiceService,
  'inference.GRPCInferenceService',
) as unknown as {
  new (
    address: string,
    credentials: ChannelCredentials,
    options?: Partial<ClientOptions>,
  ): MLServerInferenceServiceClient;
  readonly service: typeof MLServerInferenceServiceService;
  readonly serviceName: string;
};
