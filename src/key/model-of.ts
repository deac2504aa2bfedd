import type { Metadata } from '@grpc/grpc-js';

/** A model as a request names it. */
export interface ModelName {
  readonly name: string;
  /** '' when the request leaves it to the server. */
  readonly version: string;
}

type Extractor = (request: object) => ModelName | undefined;

/** Services whose requests name a model, and where. Field names in camelCase (ts-proto) or as in the proto file. */
const EXTRACTORS: ReadonlyMap<string, Extractor> = new Map<string, Extractor>([
  [
    'inference.GRPCInferenceService',
    (request) =>
      named(field(request, 'modelName', 'model_name'), field(request, 'modelVersion', 'model_version')) ??
      named(field(request, 'name'), field(request, 'version')),
  ],
  [
    'tensorflow.serving.PredictionService',
    (request) => {
      const spec = field(request, 'modelSpec', 'model_spec');
      if (typeof spec !== 'object' || spec === null) return undefined;
      return named(field(spec, 'name'), wrapped(field(spec, 'version')));
    },
  ],
  [
    'org.pytorch.serve.grpc.inference.InferenceAPIsService',
    (request) =>
      named(field(request, 'modelName', 'model_name'), field(request, 'modelVersion', 'model_version')),
  ],
  ['bentoml.grpc.v1.BentoService', (request) => named(field(request, 'apiName', 'api_name'), undefined)],
]);

/** Where the requests of a method name their model. */
export interface ModelExtractor {
  readonly needsRequest: boolean;
  /** The model that a request is for, or undefined where it names none. */
  modelOf(request: unknown, metadata: Metadata): ModelName | undefined;
}

/**
 * Ray Serve's services are the users' own; their metadata tells. A multiplexed model is one of its application: two of these
 * may each have a "base".
 */
const fromMetadata: ModelExtractor = {
  needsRequest: false,
  modelOf: (_request, metadata) => {
    const names = [metadata.get('application')[0], metadata.get('multiplexed_model_id')[0]];
    return named(names.filter((name) => name !== undefined && name !== '').join('/'), undefined);
  },
};

export function modelExtractor(method: string): ModelExtractor {
  const extract = EXTRACTORS.get(serviceOf(method));
  if (extract === undefined) return fromMetadata;
  return {
    needsRequest: true,
    modelOf: (request) => (typeof request === 'object' && request !== null ? extract(request) : undefined),
  };
}

/** `/package.Service/Method` -> `package.Service` */
export function serviceOf(method: string): string {
  return method.slice(1, method.lastIndexOf('/'));
}

function field(message: object, ...names: readonly string[]): unknown {
  for (const name of names) {
    const value: unknown = Reflect.get(message, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** google.protobuf.Int64Value, which ts-proto unwraps and proto-loader does not. */
function wrapped(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
}

function named(name: unknown, version: unknown): ModelName | undefined {
  if (typeof name !== 'string' || name === '') return undefined;
  return { name, version: version === undefined || version === null ? '' : String(version) };
}
