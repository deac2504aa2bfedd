// The entry point failsoft/protos/kserve: the Open Inference Protocol as KServe's Python server serves it.
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientUnaryCall,
  type Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  LoadModelRequest,
  LoadModelResponse,
  UnloadModelRequest,
  UnloadModelResponse,
} from '../gen/failsoft/kserve/v1/repository.js';
import {
  type GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
} from '../gen/inference/grpc_service.js';

export {
  InferParameter,
  InferTensorContents,
  ModelInferRequest,
  ModelInferRequest_InferInputTensor,
  ModelInferRequest_InferRequestedOutputTensor,
  ModelInferResponse,
  ModelInferResponse_InferOutputTensor,
  ModelMetadataRequest,
  ModelMetadataResponse,
  ModelMetadataResponse_TensorMetadata,
  ModelReadyRequest,
  ModelReadyResponse,
  ServerLiveRequest,
  ServerLiveResponse,
  ServerMetadataRequest,
  ServerMetadataResponse,
  ServerReadyRequest,
  ServerReadyResponse,
} from '../gen/inference/grpc_service.js';
export {
  LoadModelRequest as RepositoryModelLoadRequest,
  LoadModelResponse as RepositoryModelLoadResponse,
  UnloadModelRequest as RepositoryModelUnloadRequest,
  UnloadModelResponse as RepositoryModelUnloadResponse,
};

const { serverLive, serverReady, modelReady, serverMetadata, modelMetadata, modelInfer } =
  GRPCInferenceServiceService;
const unary = { requestStream: false, responseStream: false } as const;

/**
 * The Open Inference Protocol as KServe serves it: the six methods of the protocol, without a stream, and two methods that load and
 * unload a model. The six have the definitions of `failsoft/protos/oip`; the two have the paths of Triton's methods, but
 * other messages.
 */
export const KServeInferenceServiceService = Object.freeze({
  serverLive,
  serverReady,
  modelReady,
  serverMetadata,
  modelMetadata,
  modelInfer,
  /** Loads a model of the server's model repository. */
  repositoryModelLoad: {
    path: '/inference.GRPCInferenceService/RepositoryModelLoad',
    ...unary,
    requestSerialize: (value: LoadModelRequest): Buffer =>
      Buffer.from(LoadModelRequest.encode(value).finish()),
    requestDeserialize: (value: Buffer): LoadModelRequest => LoadModelRequest.decode(value),
    responseSerialize: (value: LoadModelResponse): Buffer =>
      Buffer.from(LoadModelResponse.encode(value).finish()),
    responseDeserialize: (value: Buffer): LoadModelResponse => LoadModelResponse.decode(value),
  },
  /** Unloads a model. */
  repositoryModelUnload: {
    path: '/inference.GRPCInferenceService/RepositoryModelUnload',
    ...unary,
    requestSerialize: (value: UnloadModelRequest): Buffer =>
      Buffer.from(UnloadModelRequest.encode(value).finish()),
    requestDeserialize: (value: Buffer): UnloadModelRequest => UnloadModelRequest.decode(value),
    responseSerialize: (value: UnloadModelResponse): Buffer =>
      Buffer.from(UnloadModelResponse.encode(value).finish()),
    responseDeserialize: (value: Buffer): UnloadModelResponse => UnloadModelResponse.decode(value),
  },
});

type Callback<Response> = (error: ServiceError | null, response: Response) => void;

interface Unary<Request, Response> {
  (request: Request, callback: Callback<Response>): ClientUnaryCall;
  (request: Request, metadata: Metadata, callback: Callback<Response>): ClientUnaryCall;
  (
    request: Request,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: Callback<Response>,
  ): ClientUnaryCall;
}

type Shared = 'serverLive' | 'serverReady' | 'modelReady' | 'serverMetadata' | 'modelMetadata' | 'modelInfer';

/** A client of {@link KServeInferenceServiceService}. */
export interface KServeInferenceServiceClient extends Client, Pick<GRPCInferenceServiceClient, Shared> {
  repositoryModelLoad: Unary<LoadModelRequest, LoadModelResponse>;
  repositoryModelUnload: Unary<UnloadModelRequest, UnloadModelResponse>;
}

export const KServeInferenceServiceClient = makeGenericClientConstructor(
  KServeInferenceServiceService,
  'inference.GRPCInferenceService',
) as unknown as {
  new (
    address: string,
    credentials: ChannelCredentials,
    options?: Partial<ClientOptions>,
  ): KServeInferenceServiceClient;
  readonly service: typeof KServeInferenceServiceService;
  readonly serviceName: string;
};
