import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceServer,
  ModelInferRequest,
  ModelInferResponse,
} from '../../gen/inference/grpc_service.js';
import { cancellation } from './cancellation.js';
import { streamHandler } from './infer-stream.js';
import { repositoryRpcs } from './repository.js';
import type { ServerContext } from './server-context.js';
import { toStatus, unary } from './unary.js';

/** The rpcs of inference.GRPCInferenceService. */
export function inferenceService(server: ServerContext): GRPCInferenceServiceServer {
  const service: GRPCInferenceServiceServer = {
    serverLive: unary(() => ({ live: true })),
    // a model that was unloaded does not count, as on Triton
    serverReady: unary(() => ({ ready: server.hosts.every((host) => host.ready || !host.loaded) })),
    serverMetadata: unary(() => ({
      name: 'failsoft-mock-server',
      version: '1',
      extensions: [
        'failsoft.mock.v1.FaultService',
        'model_stream_infer',
        ...['model_repository', 'model_configuration', 'statistics'],
      ],
    })),
    modelReady: unary(({ name, version }) => ({ ready: server.known(name, version).ready })),
    modelMetadata: unary(({ name, version }) => {
      const { model } = server.host(name, version);
      return {
        name: model.name,
        versions: [...model.versions],
        platform: model.platform,
        inputs: [...model.inputs],
        outputs: [...model.outputs],
        properties: new Map(),
      };
    }),
    modelInfer: (call, callback) => {
      infer(server, call, callback).catch((error: unknown) => {
        callback(toStatus(error));
      });
    },
    modelStreamInfer: streamHandler(server),
    ...repositoryRpcs(server),
  };
  return service;
}

async function infer(
  server: ServerContext,
  call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
  callback: sendUnaryData<ModelInferResponse>,
): Promise<void> {
  const { modelName, modelVersion } = call.request;
  const result = await server
    .host(modelName, modelVersion)
    .infer(call.request, cancellation(call), call.metadata);
  if (result.kind === 'response') callback(null, result.response);
  else if (result.kind === 'status') callback(result.status);
  else if (result.kind === 'drop') server.dropConnection(call.getPeer());
}
