import type { Metadata } from '@grpc/grpc-js';
import { serviceOf } from './circuit-key.js';
import { MessageField } from './message-field.js';

/** A model as a request names it: alone, or within an application (Ray Serve). */
export interface ModelName {
  /** Undefined if the protocol has no applications; '' if the call names none. */
  readonly application: string | undefined;
  /** '' only if the call names an application alone. */
  readonly name: string;
  /** '' if the request leaves the version to the server. */
  readonly version: string;
}

/** Where the requests of a method name their model. */
export interface ModelExtractor {
  readonly needsRequest: boolean;
  /** Whether every valid request of the method names a model. If so, a request without a name is one that failsoft cannot read. */
  readonly isNeverWithout: boolean;
  /** The model that a request is for; undefined if it names no model. */
  modelOf(request: unknown, metadata: Metadata): ModelName | undefined;
}

type Extractor = (request: unknown) => ModelName | undefined;

const MODEL_NAME = new MessageField('model_name');
const MODEL_VERSION = new MessageField('model_version');
const NAME = new MessageField('name');
const VERSION = new MessageField('version');
const VERSION_LABEL = new MessageField('version_label');
const VERSION_CHOICE = new MessageField('version_choice');
const MODEL_SPEC = new MessageField('model_spec');
const TASKS = new MessageField('tasks');
const API_NAME = new MessageField('api_name');
const VALUE = new MessageField('value');

/** Inference requests have the field `model_name`; questions about a model (ModelReady, ModelConfig) have `name`. */
const openInference: Extractor = (request) =>
  named(MODEL_NAME.of(request), MODEL_VERSION.of(request)) ?? named(NAME.of(request), VERSION.of(request));

/** MultiInference has a spec for each of its tasks; TensorFlow Serving accepts only tasks of the same model. */
const tensorFlow: Extractor = (request) => {
  const tasks = TASKS.of(request);
  const spec = MODEL_SPEC.of(request) ?? (Array.isArray(tasks) ? MODEL_SPEC.of(tasks[0]) : undefined);
  return named(NAME.of(spec), tensorFlowVersion(spec));
};

/** The prefix `label:` keeps labels apart from version numbers, which consist of digits. */
function tensorFlowVersion(spec: unknown): unknown {
  const choice = VERSION_CHOICE.of(spec);
  const label = VERSION_LABEL.inOneof(choice) ?? VERSION_LABEL.of(spec);
  if (typeof label === 'string' && label !== '') return `label:${label}`;
  const version = VERSION.inOneof(choice) ?? VERSION.of(spec);
  return VALUE.of(version) ?? version; // google.protobuf.Int64Value, which some generators unwrap
}

const torchServe: Extractor = (request) => named(MODEL_NAME.of(request), MODEL_VERSION.of(request));

const bento: Extractor = (request) => named(API_NAME.of(request), undefined);

interface Service {
  readonly extract: Extractor;
  /** The methods whose requests always name a model. Requests of its other methods (ServerLive, RepositoryIndex) need not. */
  readonly methods: readonly string[];
}

const OPEN_INFERENCE: Service = {
  extract: openInference,
  methods: ['ModelInfer', 'ModelStreamInfer', 'ModelReady', 'ModelMetadata', 'ModelConfig'],
};

/** Services whose requests name a model. */
const SERVICES: ReadonlyMap<string, Service> = new Map([
  ['inference.GRPCInferenceService', OPEN_INFERENCE],
  ['org.pytorch.serve.grpc.openinference.GRPCInferenceService', OPEN_INFERENCE],
  [
    'tensorflow.serving.PredictionService',
    {
      extract: tensorFlow,
      methods: ['Predict', 'Classify', 'Regress', 'MultiInference', 'GetModelMetadata'],
    },
  ],
  ['tensorflow.serving.SessionService', { extract: tensorFlow, methods: ['SessionRun'] }],
  ['tensorflow.serving.ModelService', { extract: tensorFlow, methods: ['GetModelStatus'] }],
  [
    'org.pytorch.serve.grpc.inference.InferenceAPIsService',
    { extract: torchServe, methods: ['Predictions', 'StreamPredictions', 'StreamPredictions2'] },
  ],
  ['bentoml.grpc.v1.BentoService', { extract: bento, methods: ['Call'] }],
]);

/**
 * Ray Serve's users define their own services, and the metadata name the model. A multiplexed model belongs to its
 * application: two applications may each have a model "base".
 */
const fromMetadata: ModelExtractor = {
  needsRequest: false,
  isNeverWithout: false,
  modelOf: (_request, metadata) => {
    const application = String(metadata.get('application')[0] ?? '');
    const name = String(metadata.get('multiplexed_model_id')[0] ?? '');
    return application === '' && name === '' ? undefined : { application, name, version: '' };
  },
};

/** Whether the requests of the method's service name a model. */
export function namesModels(method: string): boolean {
  return SERVICES.has(serviceOf(method));
}

export function modelExtractor(method: string): ModelExtractor {
  const service = SERVICES.get(serviceOf(method));
  if (service === undefined) return fromMetadata;
  return {
    needsRequest: true,
    isNeverWithout: service.methods.includes(method.slice(method.lastIndexOf('/') + 1)),
    modelOf: service.extract,
  };
}

function named(name: unknown, version: unknown): ModelName | undefined {
  if (typeof name !== 'string' || name === '') return undefined;
  return {
    application: undefined,
    name,
    version: version === undefined || version === null ? '' : String(version),
  };
}
