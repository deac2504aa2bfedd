import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import * as protoLoader from '@grpc/proto-loader';
import { perModel } from 'failsoft';
import { ModelInferRequest } from 'failsoft/protos/oip';
import { describe, expect, it, vi } from 'vitest';

// The same requests as the classes of four generators have them. proto-loader and protobuf-es are the real ones; classes
// of google-protobuf are written down as protoc generates them: getters over an array, and no property.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROTOS = fileURLToPath(new URL('protos', import.meta.url));
const PROTO = join(PROTOS, 'messages.proto');
const PREDICT = '/tensorflow.serving.PredictionService/Predict';
const MULTI = '/tensorflow.serving.PredictionService/MultiInference';
const SESSION_RUN = '/tensorflow.serving.SessionService/SessionRun';
const MODEL_STATUS = '/tensorflow.serving.ModelService/GetModelStatus';
const INFER = '/inference.GRPCInferenceService/ModelInfer';

function keysOf(method: string, request: unknown): [string, string] {
  const metadata = new Metadata();
  return [
    perModel().forMethod(method).of(request, metadata),
    perModel({ version: true }).forMethod(method).of(request, metadata),
  ];
}

// ---------------------------------------------------------------- proto-loader

type Loaded = Record<string, protoLoader.AnyDefinition>;

/** What a server of proto-loader's decodes, and what a client's caller passes. */
function loaded(packageDefinition: Loaded, method: string, request: object): unknown {
  const service = packageDefinition['tensorflow.serving.Requests'] as protoLoader.ServiceDefinition;
  const definition = service[method];
  if (definition === undefined) throw new Error(`no method ${method}`);
  return definition.requestDeserialize(definition.requestSerialize(request));
}

const byName = protoLoader.loadSync(PROTO, { keepCase: true, longs: String, defaults: true, oneofs: true });
const byCamel = protoLoader.loadSync(PROTO);

// ---------------------------------------------------------------- protobuf-es

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, built()));

function built(): Uint8Array {
  const buf = join(ROOT, 'node_modules/.bin/buf');
  return execFileSync(buf, ['build', PROTOS, '--as-file-descriptor-set', '-o', '-'], { cwd: ROOT });
}

function es(name: string, init: object): unknown {
  const type = registry.getMessage(`tensorflow.serving.${name}`);
  if (type === undefined) throw new Error(`no message ${name}`);
  return create(type, init as MessageInitShape<DescMessage>);
}

// ---------------------------------------------------------------- google-protobuf

class Int64Value {
  readonly #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  getValue = () => this.#value;
}

class ModelSpec {
  readonly #fields: readonly [string, number?, string?];
  constructor(...fields: readonly [string, number?, string?]) {
    this.#fields = fields;
  }
  getName = () => this.#fields[0];
  getVersion = () => (this.#fields[1] === undefined ? undefined : new Int64Value(this.#fields[1]));
  getVersionLabel = () => this.#fields[2] ?? '';
}

const spec = (...fields: readonly [string, number?, string?]) => ({
  getModelSpec: () => new ModelSpec(...fields),
});
const tasks = (...list: object[]) => ({ getTasksList: () => list });
const infer = (name: string, version: string) => ({
  getModelName: () => name,
  getModelVersion: () => version,
});

describe("perModel reads a request's model", () => {
  it.each<[string, string, unknown, [string, string]]>([
    // Open Inference Protocol
    ['ts-proto', INFER, ModelInferRequest.fromPartial({ modelName: 'm', modelVersion: '3' }), ['m', 'm@3']],
    [
      'proto-loader, camelCase',
      INFER,
      loaded(byCamel, 'ModelInfer', { modelName: 'm', modelVersion: '3' }),
      ['m', 'm@3'],
    ],
    [
      'proto-loader, keepCase',
      INFER,
      loaded(byName, 'ModelInfer', { model_name: 'm', model_version: '3' }),
      ['m', 'm@3'],
    ],
    ['protobuf-es', INFER, es('ModelInferRequest', { modelName: 'm', modelVersion: '3' }), ['m', 'm@3']],
    ['google-protobuf', INFER, infer('m', '3'), ['m', 'm@3']],
    ['google-protobuf, no version', INFER, infer('m', ''), ['m', 'm@']],
    [
      'google-protobuf, ModelReady',
      '/inference.GRPCInferenceService/ModelReady',
      { getName: () => 'm', getVersion: () => '3' },
      ['m', 'm@3'],
    ],
    [
      'TorchServe by this protocol',
      INFER.replace('/', '/org.pytorch.serve.grpc.open'),
      infer('m', '1'),
      ['m', 'm@1'],
    ],
    // TensorFlow Serving: a version
    ['ts-proto', PREDICT, { modelSpec: { name: 'm', version: 7 } }, ['m', 'm@7']],
    [
      'ts-proto, oneof=unions',
      PREDICT,
      { modelSpec: { name: 'm', versionChoice: { $case: 'version', version: 7 } } },
      ['m', 'm@7'],
    ],
    [
      'proto-loader, camelCase',
      PREDICT,
      loaded(byCamel, 'Predict', { modelSpec: { name: 'm', version: { value: 7 } } }),
      ['m', 'm@7'],
    ],
    [
      'proto-loader, keepCase',
      PREDICT,
      loaded(byName, 'Predict', { model_spec: { name: 'm', version: { value: '9223372036854775807' } } }),
      ['m', 'm@9223372036854775807'],
    ],
    [
      'protobuf-es',
      PREDICT,
      es('PredictRequest', {
        modelSpec: { name: 'm', versionChoice: { case: 'version', value: { value: 7n } } },
      }),
      ['m', 'm@7'],
    ],
    ['google-protobuf', PREDICT, spec('m', 7), ['m', 'm@7']],
    // TensorFlow Serving: a label
    ['ts-proto', PREDICT, { modelSpec: { name: 'm', versionLabel: 'stable' } }, ['m', 'm@label:stable']],
    [
      'ts-proto, oneof=unions-value',
      PREDICT,
      { modelSpec: { name: 'm', versionChoice: { $case: 'versionLabel', value: 'stable' } } },
      ['m', 'm@label:stable'],
    ],
    [
      'proto-loader, camelCase',
      PREDICT,
      loaded(byCamel, 'Predict', { modelSpec: { name: 'm', versionLabel: 'stable' } }),
      ['m', 'm@label:stable'],
    ],
    [
      'proto-loader, keepCase',
      PREDICT,
      loaded(byName, 'Predict', { model_spec: { name: 'm', version_label: 'stable' } }),
      ['m', 'm@label:stable'],
    ],
    [
      'protobuf-es',
      PREDICT,
      es('PredictRequest', {
        modelSpec: { name: 'm', versionChoice: { case: 'versionLabel', value: 'stable' } },
      }),
      ['m', 'm@label:stable'],
    ],
    ['google-protobuf', PREDICT, spec('m', undefined, 'stable'), ['m', 'm@label:stable']],
    ['a label like a number', PREDICT, spec('m', undefined, '7'), ['m', 'm@label:7']],
    // TensorFlow Serving: neither
    ['protobuf-es', PREDICT, es('PredictRequest', { modelSpec: { name: 'm' } }), ['m', 'm@']],
    ['proto-loader', PREDICT, loaded(byName, 'Predict', { model_spec: { name: 'm' } }), ['m', 'm@']],
    ['google-protobuf', PREDICT, spec('m'), ['m', 'm@']],
    // TensorFlow Serving: other methods
    ['google-protobuf', SESSION_RUN, spec('m', 7), ['m', 'm@7']],
    ['google-protobuf', MODEL_STATUS, spec('m', 7), ['m', 'm@7']],
    ['ts-proto', MULTI, { tasks: [{ modelSpec: { name: 'm', version: 7 } }] }, ['m', 'm@7']],
    [
      'proto-loader, keepCase',
      MULTI,
      loaded(byName, 'MultiInference', { tasks: [{ model_spec: { name: 'm' } }] }),
      ['m', 'm@'],
    ],
    [
      'protobuf-es',
      MULTI,
      es('MultiInferenceRequest', { tasks: [{ modelSpec: { name: 'm' } }] }),
      ['m', 'm@'],
    ],
    ['google-protobuf', MULTI, tasks(spec('m', 7), spec('m', 7)), ['m', 'm@7']],
    ['google-protobuf, no tasks', MULTI, tasks(), ['', '']],
  ])('%s: %s', (_generator, method, request, expected) => {
    expect(keysOf(method, request)).toEqual(expected);
  });
});

describe('a request that names no model', () => {
  it.each([
    [INFER, {}, 1],
    [INFER, Buffer.from('bytes of a proxy'), 1],
    [PREDICT, { modelSpec: undefined }, 1],
    [MULTI, { tasks: [] }, 1],
    ['/bentoml.grpc.v1.BentoService/Call', {}, 1],
    // The first message may come late, and some methods are about no model.
    [INFER, undefined, 0],
    ['/inference.GRPCInferenceService/ServerLive', {}, 0],
    ['/inference.GRPCInferenceService/RepositoryIndex', {}, 0],
    ['/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping', {}, 0],
    ['/my.Service/Predict', { modelName: 'm' }, 0],
  ])('%s with %j is reported %i times, however often it comes', async (method, request, times) => {
    // A process reports the same thing once: each case is a process of its own.
    vi.resetModules();
    const { perModel } = await import('../../src/key/key-by.js');
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    try {
      const part = perModel().forMethod(method);
      for (let call = 0; call < 3; call++) expect(part.of(request, new Metadata())).toBe('');
      expect(emitWarning).toHaveBeenCalledTimes(times);
      if (times === 0) return;
      expect(emitWarning.mock.calls[0]?.[0]).toContain(`perModel of ${method}: found no model's name`);
    } finally {
      emitWarning.mockRestore();
    }
  });
});
