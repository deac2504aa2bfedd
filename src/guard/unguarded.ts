import { serviceOf } from '../key/circuit-key.js';
import { SPECIFICITY } from './match.js';

// Questions about health and metadata are no evidence against a model. An orchestrator that polls them must get the server's own
// answer, neither a rejection nor a fallback's "ready".

/** Services whose methods are all questions about health. They are guarded if a rule names the service or the method. */
const SERVICES: ReadonlySet<string> = new Set([
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'xds.service.orca.v3.OpenRcaService',
  'tensorflow.serving.ModelService', // GetModelStatus, HandleReloadConfigRequest
  'ray.serve.RayServeAPIService', // Healthz, ListApplications
]);

const OPEN_INFERENCE = ['ServerLive', 'ServerReady', 'ServerMetadata', 'ModelReady', 'ModelMetadata'];
const TRITON = ['ModelConfig', 'ModelStatistics', 'RepositoryIndex'];

/**
 * Questions about health among the methods of prediction services. They are guarded only if a rule names the method, because a
 * rule for the service means its predictions.
 */
const METHODS: ReadonlySet<string> = new Set([
  ...['inference', 'org.pytorch.serve.grpc.openinference'].flatMap((name) =>
    [...OPEN_INFERENCE, ...TRITON].map((method) => `/${name}.GRPCInferenceService/${method}`),
  ),
  '/tensorflow.serving.PredictionService/GetModelMetadata',
  '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping',
  '/bentoml.grpc.v1.BentoService/ServiceMetadata',
  '/vllm.grpc.engine.VllmEngine/HealthCheck',
  '/vllm.grpc.engine.VllmEngine/GetModelInfo',
  '/vllm.grpc.engine.VllmEngine/GetServerInfo',
]);

/**
 * Whether a method is a question about health, and no rule names it.
 * @param rating how specific the best rule is, as in {@link SPECIFICITY}
 */
export function isUnguarded(path: string, rating: number): boolean {
  if (METHODS.has(path)) return rating < SPECIFICITY.method;
  return SERVICES.has(serviceOf(path)) && rating < SPECIFICITY.service;
}
