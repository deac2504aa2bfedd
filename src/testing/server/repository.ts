import { status } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceServer,
  ModelMetadataResponse_TensorMetadata,
  ModelStatistics,
} from '../../gen/inference/grpc_service.js';
import { DataType, dataTypeFromJSON, ModelConfig } from '../../gen/inference/model_config.js';
import { withoutTrailers } from './error-status.js';
import type { ModelHost } from './model-host.js';
import type { ServerContext } from './server-context.js';
import { StatusError, unary } from './unary.js';

type Extensions = Pick<
  GRPCInferenceServiceServer,
  'modelConfig' | 'modelStatistics' | 'repositoryIndex' | 'repositoryModelLoad' | 'repositoryModelUnload'
>;

/** The rpcs that Triton adds to the protocol, answered as Triton does in its mode `explicit`. */
export function repositoryRpcs(server: ServerContext): Extensions {
  return {
    modelConfig: unary(({ name, version }) => ({ config: configOf(server.host(name, version)) })),
    modelStatistics: unary(({ name, version }) => ({
      modelStats: name === '' ? server.hosts.map(statisticsOf) : [statisticsOf(server.host(name, version))],
    })),
    repositoryIndex: unary(({ ready }) => ({
      models: server.hosts
        .filter((host) => host.ready || !ready)
        .flatMap(({ name, model, ready: isReady, loaded }) =>
          model.versions.map((version) => ({
            name,
            version,
            state: isReady ? 'READY' : 'UNAVAILABLE',
            reason: loaded ? '' : 'unloaded',
          })),
        ),
    })),
    repositoryModelLoad: unary(({ modelName }) => {
      const host = server.hosts.find(({ name }) => name === modelName);
      if (host === undefined) {
        const details = `failed to load '${modelName.slice(0, 80)}', failed to poll from model repository`;
        throw new StatusError(withoutTrailers({ code: status.INTERNAL, details }));
      }
      server.setLoaded(host, true);
      return {};
    }),
    // Triton unloads a model that it does not know without an error.
    repositoryModelUnload: unary(({ modelName }) => {
      const host = server.hosts.find(({ name }) => name === modelName);
      if (host !== undefined) server.setLoaded(host, false);
      return {};
    }),
  };
}

function configOf({ model }: ModelHost): ModelConfig {
  const tensor = ({ name, datatype, shape }: ModelMetadataResponse_TensorMetadata) => ({
    name,
    dataType: datatype === 'BYTES' ? DataType.TYPE_STRING : dataTypeFromJSON(`TYPE_${datatype}`),
    // Triton leaves the batch dimension out
    dims: model.maxBatchSize > 0 ? shape.slice(1) : shape,
  });
  return ModelConfig.fromPartial({
    name: model.name,
    platform: model.platform,
    versionPolicy: { latest: { numVersions: model.versions.length } },
    maxBatchSize: model.maxBatchSize,
    input: model.inputs.map(tensor),
    output: model.outputs.map(tensor),
    instanceGroup: [{ name: `${model.name}_0`, kind: 2, count: 1 }],
    modelTransactionPolicy: { decoupled: model.decoupled },
  });
}

function statisticsOf({ model, counters }: ModelHost): ModelStatistics {
  return {
    name: model.name,
    version: model.versions[0] ?? '',
    lastInference: counters.lastInference,
    inferenceCount: counters.answered,
    executionCount: counters.answered,
    inferenceStats: counters.toMessage(),
    batchStats: [],
    memoryUsage: [],
    responseStats: new Map(),
  };
}
