// The entry point failsoft/protos/oip: what protos/inference generates, and the service as MLServer serves it.
export * from '../gen/inference/grpc_service.js';
export { MLServerInferenceServiceClient, MLServerInferenceServiceService } from './mlserver.js';
