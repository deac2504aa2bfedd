import { Metadata } from '@grpc/grpc-js';
import { perKey, perMethod, perModel } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { keyOf, splitKey } from '../../src/key/circuit-key.js';

const OIP = '/inference.GRPCInferenceService/ModelInfer';
const TF = '/tensorflow.serving.PredictionService/Predict';
const TORCH = '/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions';
const BENTO = '/bentoml.grpc.v1.BentoService/Call';

function metadata(entries: Record<string, string> = {}): Metadata {
  const result = new Metadata();
  for (const [key, value] of Object.entries(entries)) result.set(key, value);
  return result;
}

describe('perModel', () => {
  it.each([
    ['OIP, camelCase', OIP, { modelName: 'm', modelVersion: '3' }, {}, 'm', 'm@3'],
    ['OIP, as in the proto', OIP, { model_name: 'm', model_version: '3' }, {}, 'm', 'm@3'],
    [
      'OIP, readiness',
      '/inference.GRPCInferenceService/ModelReady',
      { name: 'm', version: '' },
      {},
      'm',
      'm@',
    ],
    ['OIP, no model', '/inference.GRPCInferenceService/ServerLive', {}, {}, '', ''],
    ['TF Serving', TF, { modelSpec: { name: 'm', version: { value: 7n } } }, {}, 'm', 'm@7'],
    ['TF Serving, unwrapped', TF, { model_spec: { name: 'm', version: 7 } }, {}, 'm', 'm@7'],
    ['TF Serving, no spec', TF, { modelSpec: undefined }, {}, '', ''],
    ['TorchServe', TORCH, { modelName: 'm', modelVersion: '1.0' }, {}, 'm', 'm@1.0'],
    ['BentoML', BENTO, { apiName: 'classify' }, {}, 'classify', 'classify@'],
    ['Ray Serve, model', '/my.Service/Predict', {}, { multiplexed_model_id: 'm' }, '/m', '/m@'],
    [
      'Ray Serve, model of an application',
      '/my.Service/Predict',
      {},
      { multiplexed_model_id: 'm', application: 'a' },
      'a/m',
      'a/m@',
    ],
    ['Ray Serve, application', '/my.Service/Predict', {}, { application: 'a' }, 'a', 'a@'],
    [
      'Ray Serve, application with a slash',
      '/my.Service/Predict',
      {},
      { application: 'a/m' },
      'a~2Fm',
      'a~2Fm@',
    ],
    ['another service', '/my.Service/Predict', { modelName: 'm' }, {}, '', ''],
    ['no message yet', OIP, undefined, {}, '', ''],
    ['a name that is no string', OIP, { modelName: 7 }, {}, '', ''],
  ])('%s', (_what, method, request, headers, plain, versioned) => {
    expect(perModel().forMethod(method).of(request, metadata(headers))).toBe(plain);
    expect(perModel({ version: true }).forMethod(method).of(request, metadata(headers))).toBe(versioned);
  });

  it('waits for the request only where the request names the model', () => {
    expect(perModel().forMethod(OIP).needsRequest).toBe(true);
    expect(perModel().forMethod('/my.Service/Predict').needsRequest).toBe(false);
  });

  it('shortens long names, and keeps different names apart', () => {
    const part = (name: string) => perModel().forMethod(OIP).of({ modelName: name }, metadata());
    const long = 'x'.repeat(10_000);
    expect(part(long).length).toBeLessThanOrEqual(128);
    expect(part(`${long}1`)).not.toBe(part(`${long}2`));
    expect(part(`${long}1`)).toBe(part(`${long}1`));
  });

  it('names a bad option', () => {
    expect(() => perModel({ version: 'yes' as unknown as boolean })).toThrow(
      'perModel.version: expected a boolean, got "yes"',
    );
  });
});

describe('perKey', () => {
  it('gets method, request and metadata', () => {
    const key = perKey(
      ({ method, request, metadata: headers }) =>
        `${method}|${String(request)}|${String(headers.get('tenant')[0])}`,
    );
    expect(key.forMethod('/s/M').of('r', metadata({ tenant: 't' }))).toBe('/s/M|r|t');
  });

  it("gives the method's own circuit if the function returns no name", () => {
    expect(
      perKey(() => undefined)
        .forMethod('/s/M')
        .of('r', metadata()),
    ).toBe('');
  });

  it('turns a name that is not well-formed into a part that is', () => {
    const part = (name: string) =>
      perKey(() => name)
        .forMethod('/s/M')
        .of('r', metadata());
    expect(part('m\ud83d')).toBe('m~uD83D');
    expect(part('m\ud83e')).not.toBe(part('m\ud83d'));
  });

  it('rejects a result that is no string', () => {
    const key = perKey((() => 7) as unknown as () => string);
    expect(() => key.forMethod('/s/M').of('r', metadata())).toThrow(
      'perKey(keyOf): expected a string or undefined, got 7',
    );
    expect(() => perKey(undefined as unknown as () => string)).toThrow(
      'perKey: expected a function, got undefined',
    );
  });
});

it('perMethod never waits', () => {
  const part = perMethod().forMethod(OIP);
  expect([part.needsRequest, part.of({ modelName: 'm' }, metadata())]).toEqual([false, '']);
});

it.each([
  ['', '/pkg.Service/Method', ''],
  ['', '/pkg.Service/Method', 'model#2@1'],
  ['dns:///triton-a:8001', '/pkg.Service/Method', '/odd/name'],
  ['', 'feature-store', ''],
])('a key can be taken apart again: %j %j %j', (target, method, part) => {
  expect(splitKey(keyOf(target, method, part))).toEqual({ target, method, part });
});

it('a key is well-formed text whatever the names of target and method are', () => {
  expect(keyOf('a\ud83d', '/s\ude00/M', '')).toBe('a\ufffd/s\ufffd/M');
});
