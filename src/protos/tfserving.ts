// The entry point failsoft/protos/tfserving: TensorFlow Serving's PredictionService and ModelService, with their messages.
export { Any } from '../gen/google/protobuf/any.js';
export { Example } from '../gen/tensorflow/core/example/example.js';
export {
  BytesList,
  Feature,
  Features,
  FloatList,
  Int64List,
} from '../gen/tensorflow/core/example/feature.js';
export { TensorProto } from '../gen/tensorflow/core/framework/tensor.js';
export { TensorShapeProto, TensorShapeProto_Dim } from '../gen/tensorflow/core/framework/tensor_shape.js';
export { DataType } from '../gen/tensorflow/core/framework/types.js';
export { Code } from '../gen/tensorflow/core/protobuf/error_codes.js';
export {
  SignatureDef,
  TensorInfo,
  TensorInfo_CooSparse,
} from '../gen/tensorflow/core/protobuf/meta_graph.js';
export {
  Class,
  ClassificationRequest,
  ClassificationResponse,
  ClassificationResult,
  Classifications,
} from '../gen/tensorflow_serving/apis/classification.js';
export {
  GetModelMetadataRequest,
  GetModelMetadataResponse,
  SignatureDefMap,
} from '../gen/tensorflow_serving/apis/get_model_metadata.js';
export {
  GetModelStatusRequest,
  GetModelStatusResponse,
  ModelVersionStatus,
  ModelVersionStatus_State,
} from '../gen/tensorflow_serving/apis/get_model_status.js';
export {
  InferenceResult,
  InferenceTask,
  MultiInferenceRequest,
  MultiInferenceResponse,
} from '../gen/tensorflow_serving/apis/inference.js';
export { ExampleList, ExampleListWithContext, Input } from '../gen/tensorflow_serving/apis/input.js';
export { ModelSpec } from '../gen/tensorflow_serving/apis/model.js';
export {
  ModelServiceClient,
  type ModelServiceServer,
  ModelServiceService,
} from '../gen/tensorflow_serving/apis/model_service.js';
export {
  PredictRequest,
  PredictRequest_RequestOptions,
  PredictRequest_RequestOptions_DeterministicMode,
  PredictRequest_RequestOptions_Handshake,
  PredictResponse,
  PredictStreamedOptions,
  PredictStreamedOptions_RequestState,
} from '../gen/tensorflow_serving/apis/predict.js';
export {
  PredictionServiceClient,
  type PredictionServiceServer,
  PredictionServiceService,
} from '../gen/tensorflow_serving/apis/prediction_service.js';
export {
  Regression,
  RegressionRequest,
  RegressionResponse,
  RegressionResult,
} from '../gen/tensorflow_serving/apis/regression.js';
export { StatusProto } from '../gen/tensorflow_serving/apis/status.js';
