// The entry point failsoft/protos/oip: the code generated from protos/inference, and the service as MLServer serves it.
export * from '../gen/inference/grpc_service.js';
export {
  DataType,
  ModelConfig,
  ModelDynamicBatching,
  ModelInput,
  ModelInput_Format,
  ModelInstanceGroup,
  ModelInstanceGroup_Kind,
  ModelOutput,
  ModelParameter,
  ModelQueuePolicy,
  ModelQueuePolicy_TimeoutAction,
  ModelTensorReshape,
  ModelTransactionPolicy,
  ModelVersionPolicy,
  ModelVersionPolicy_All,
  ModelVersionPolicy_Latest,
  ModelVersionPolicy_Specific,
} from '../gen/inference/model_config.js';
export { MLServerInferenceServiceClient, MLServerInferenceServiceService } from './mlserver.js';
