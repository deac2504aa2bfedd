// The entry point failsoft/protos/torchserve: TorchServe's InferenceAPIsService, with its messages.
export { Any } from '../gen/google/protobuf/any.js';
export { Status } from '../gen/google/rpc/status.js';
export {
  InferenceAPIsServiceClient,
  type InferenceAPIsServiceServer,
  InferenceAPIsServiceService,
  PredictionResponse,
  PredictionsRequest,
  TorchServeHealthResponse,
} from '../gen/org/pytorch/serve/grpc/inference/inference.js';
