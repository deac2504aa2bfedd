import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceServer,
  ModelInferRequest,
  ModelInferResponse,
} from '../../gen/inference/grpc_service.js';
import { FEATURES_TENSOR, LEVEL_TENSOR, MODEL_VERSION, PROBABILITIES_TENSOR } from '../demand/models.js';
import { cancellation } from './cancellation.js';
import { streamHandler } from './infer-stream.js';
import type { ServerContext } from './server-context.js';
import { toStatus, unary } from './unary.js';

/** The rpcs of inference.GRPCInferenceService but those that only Triton has. */
type Served = Pick<
  GRPCInferenceServiceServer,
  | 'serverLive'
  | 'serverReady'
  | 'serverMetadata'
  | 'modelReady'
  | 'modelMetadata'
  | 'modelInfer'
  | 'modelStreamInfer'
>;

/** The seven rpcs of inference.GRPCInferenceService. */
export function inferenceService(server: ServerContext): Served {
  const service: Served = {
    serverLive: unary(() => ({ live: true })),
    serverReady: unary(() => ({ ready: server.hosts.every((host) => !host.faults.notReady) })),
    serverMetadata: unary(() => ({
      name: 'failsoft-mock-server',
      version: '1',
      extensions: ['failsoft.mock.v1.FaultService', 'model_stream_infer'],
    })),
    modelReady: unary(({ name, version }) => ({ ready: !server.host(name, version).faults.notReady })),
    modelMetadata: unary(({ name, version }) => ({
      name: server.host(name, version).name,
      versions: [MODEL_VERSION],
      platform: 'failsoft_mock',
      inputs: [{ ...FEATURES_TENSOR, shape: [-1n, BigInt(FEATURES_TENSOR.width)] }],
      outputs: [
        { ...LEVEL_TENSOR, shape: [-1n] },
        { ...PROBABILITIES_TENSOR, shape: [-1n, BigInt(PROBABILITIES_TENSOR.width)] },
      ],
      properties: new Map(),
    })),
    modelInfer: (call, callback) => {
      infer(server, call, callback).catch((error: unknown) => {
        callback(toStatus(error));
      });
    },
    modelStreamInfer: streamHandler(server),
  };
  return service;
}

async function infer(
  server: ServerContext,
  call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
  callback: sendUnaryData<ModelInferResponse>,
): Promise<void> {
  const { modelName, modelVersion } = call.request;
  const result = await server.host(modelName, modelVersion).infer(call.request, cancellation(call));
  if (result.kind === 'response') callback(null, result.response);
  else if (result.kind === 'status') callback(result.status);
  else if (result.kind === 'drop') server.dropConnection(call.getPeer());
}
