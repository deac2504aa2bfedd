import type { Client } from '@grpc/grpc-js';
import { invalid } from '../errors.js';
import { serviceOf } from '../key/circuit-key.js';
import { nameOfPart } from '../key/key-part.js';
import type { Readiness, ReadinessCheck } from './check.js';
import { askUnary, eachField, stringFields, type UnaryQuestion } from './unary-question.js';

/** Options of {@link modelReady}. */
export interface ModelReadyOptions {
  /** The name of the model. @default the model in the circuit's key */
  readonly model?: string;
}

/** `ModelVersionStatus.State.AVAILABLE` of TensorFlow Serving. */
const AVAILABLE = 30;

/** The question of each protocol, by the service of the circuit's method. */
const QUESTIONS: ReadonlyMap<string, (model: string) => UnaryQuestion> = new Map([
  ['inference.GRPCInferenceService', openInference('inference')],
  [
    'org.pytorch.serve.grpc.openinference.GRPCInferenceService',
    openInference('org.pytorch.serve.grpc.openinference'),
  ],
  [
    'tensorflow.serving.PredictionService',
    (model) => ({
      path: '/tensorflow.serving.ModelService/GetModelStatus',
      request: nested(1, stringFields({ 1: model })),
      read: readVersions,
    }),
  ],
  [
    'org.pytorch.serve.grpc.inference.InferenceAPIsService',
    () => ({
      path: '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping',
      request: new Uint8Array(),
      read: readHealthText,
    }),
  ],
]);

/**
 * Asks the server whether the model of the open circuit is ready, by the protocol of the circuit's own method: ModelReady (Open
 * Inference Protocol: Triton, KServe, MLServer), GetModelStatus (TensorFlow Serving: any version AVAILABLE), Ping (TorchServe: its
 * status is always OK, so the text is read). Circuits of other services, and circuits without a model's name, get no answer.
 * @param client any client of the server: only its channel and its interceptors are used
 * @example createGuard({ recovery: { check: modelReady(client) } })
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function modelReady(client: Client, options: ModelReadyOptions = {}): ReadinessCheck {
  if (typeof client?.makeUnaryRequest !== 'function')
    throw invalid('modelReady(client)', 'a grpc-js client', client);
  const { model } = options;
  if (model !== undefined && typeof model !== 'string') throw invalid('modelReady.model', 'a string', model);
  return {
    name: 'modelReady',
    scope: 'circuit',
    ask: async (asked) => {
      const question = QUESTIONS.get(serviceOf(asked.method));
      const name = model ?? nameOfPart(asked.keyPart);
      return question === undefined || name === undefined
        ? 'no-answer'
        : askUnary(client, question(name), asked);
    },
  };
}

function openInference(scope: string): (model: string) => UnaryQuestion {
  return (model) => ({
    path: `/${scope}.GRPCInferenceService/ModelReady`,
    request: stringFields({ 1: model }),
    read: readReady,
  });
}

function readReady(response: Uint8Array): Readiness {
  let ready = false;
  eachField(response, (field, reader) => {
    if (field !== 1) return false;
    ready = reader.bool();
    return true;
  });
  return ready ? 'ready' : 'not-ready';
}

/** `GetModelStatusResponse`: model_version_status=1 { version=1, state=2, status=3 }. */
function readVersions(response: Uint8Array): Readiness {
  let available = false;
  eachField(response, (field, reader) => {
    if (field !== 1) return false;
    eachField(reader.bytes(), (inner, version) => {
      if (inner !== 2) return false;
      if (version.int32() === AVAILABLE) available = true;
      return true;
    });
    return true;
  });
  return available ? 'ready' : 'not-ready';
}

/** `TorchServeHealthResponse`: health=1, a JSON text such as `{ "status": "Healthy" }`. */
function readHealthText(response: Uint8Array): Readiness {
  let text = '';
  eachField(response, (field, reader) => {
    if (field !== 1) return false;
    text = reader.string();
    return true;
  });
  return /"healthy"/i.test(text) ? 'ready' : 'not-ready';
}

function nested(field: number, message: Uint8Array): Uint8Array {
  return new Uint8Array([(field << 3) | 2, ...varint(message.length), ...message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
