import { status } from '@grpc/grpc-js';
import {
  DEMAND_MODELS,
  demandLevel,
  demandRequest,
  labelledInputs,
  NETWORKS,
  SERVER_PRESETS,
  startMockServer,
} from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { GRPCInferenceServiceService as oip } from '../../src/gen/inference/grpc_service.js';
import { argmax, predict } from '../../src/testing/demand/network.js';
import { optional } from '../../src/testing/server/optional-packages.js';
import { OWN_HOST } from '../support/own-host.js';
import { badRequest, connect, goodRequest, infer, rpc, start } from './fixture.js';

describe('the unary rpcs', () => {
  it('report that the server and its models are live and ready', async () => {
    const { client } = await start();
    expect(await rpc(client, oip.serverLive, {})).toEqual({ live: true });
    expect(await rpc(client, oip.serverReady, {})).toEqual({ ready: true });
    for (const version of ['', '1']) {
      const request = { name: 'demand-small', version };
      expect(await rpc(client, oip.modelReady, request)).toEqual({ ready: true });
    }
  });

  it('describe the server and a model', async () => {
    const { client } = await start();
    const about = await rpc(client, oip.serverMetadata, {});
    expect(about.name).toBe('failsoft-mock-server');
    expect(about.extensions).toContain('model_stream_infer');
    const model = await rpc(client, oip.modelMetadata, { name: 'demand-large', version: '' });
    expect(model).toEqual({
      name: 'demand-large',
      versions: ['1'],
      platform: 'failsoft_mock',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [-1n, 16n] }],
      outputs: [
        { name: 'level', datatype: 'INT64', shape: [-1n] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1n, 5n] },
      ],
      properties: new Map(),
    });
  });

  it.each(DEMAND_MODELS)('%s predicts the same over the wire as its network', async (model) => {
    const { client } = await start();
    const source = labelledInputs(3);
    for (let count = 0; count < 20; count++) {
      const { features } = source.next().value;
      const { response } = await infer(client, demandRequest(model, features, `id-${count}`));
      if (!response) throw new Error('no response');
      expect(demandLevel(response)).toBe(argmax(predict(NETWORKS[model], features.map(Math.fround))));
      expect([response.modelName, response.modelVersion, response.id]).toEqual([model, '1', `id-${count}`]);
      expect(response.rawOutputContents).toEqual([]);
      expect(response.outputs.map(({ shape }) => shape)).toEqual([[1n], [1n, 5n]]);
    }
  });

  it('answers raw with raw, for a batch, with the same numbers', async () => {
    const { client } = await start();
    const rows = Array.from(
      { length: 3 },
      (
        (source) => () =>
          source.next().value.features
      )(labelledInputs(4)),
    );
    const typed = demandRequest('demand-large', rows.flat());
    const shape = [3n, 16n];
    const [input] = typed.inputs;
    if (!input) throw new Error('no input');
    const { response: want } = await infer(client, { ...typed, inputs: [{ ...input, shape }] });
    const raw = Buffer.alloc(3 * 16 * 4);
    rows.flat().forEach((value, index) => {
      raw.writeFloatLE(value, index * 4);
    });
    const request = { ...typed, inputs: [{ ...input, shape, contents: undefined }], rawInputContents: [raw] };
    const { response: got } = await infer(client, request);
    expect(got?.outputs.map(({ contents }) => contents)).toEqual([undefined, undefined]);
    const [levels = Buffer.of(), probabilities = Buffer.of()] = (got?.rawOutputContents ?? []).map((bytes) =>
      Buffer.from(bytes),
    );
    const wantLevels = want?.outputs[0]?.contents?.int64Contents;
    expect(Array.from({ length: 3 }, (_, row) => levels.readBigInt64LE(row * 8))).toEqual(wantLevels);
    expect(levels.length).toBe(24);
    const wantShares = want?.outputs[1]?.contents?.fp32Contents;
    expect(Array.from({ length: 15 }, (_, index) => probabilities.readFloatLE(index * 4))).toEqual(
      wantShares,
    );
    expect(wantShares).toHaveLength(15);
  });

  it('gives only the requested outputs', async () => {
    const { client } = await start();
    const outputs = [{ name: 'probabilities', parameters: new Map() }];
    const { response } = await infer(client, { ...goodRequest(), outputs });
    expect(response?.outputs.map(({ name }) => name)).toEqual(['probabilities']);
  });

  it('has only the models that it loads by its options', async () => {
    const { server, client } = await start({ models: ['demand-small'] });
    expect(server.models).toEqual(['demand-small']);
    expect((await infer(client, goodRequest('demand-small'))).code).toBe(status.OK);
    const { code, details } = await infer(client, goodRequest('demand-large'));
    expect(code).toBe(status.NOT_FOUND);
    expect(details).toContain('expected one of demand-small, got "demand-large"');
  });
});

describe('a bad request is answered with the expected and the given value', () => {
  const input = goodRequest().inputs[0];
  if (!input) throw new Error('no input');
  const contents = input.contents;
  const withInput = (change: Partial<typeof input>) =>
    badRequest(() => ({ inputs: [{ ...input, ...change }] }));
  const values = (count: number) => ({
    ...(contents ?? goodRequest().inputs[0]?.contents),
    fp32Contents: Array.from({ length: count }, () => 0),
  });
  const cases: readonly [what: string, request: ReturnType<typeof goodRequest>, details: string][] = [
    ['no input', badRequest(() => ({ inputs: [] })), 'expected one input tensor, "features", got 0'],
    [
      'two inputs',
      badRequest(() => ({ inputs: [input, input] })),
      'expected one input tensor, "features", got 2',
    ],
    ['another name', withInput({ name: 'x' }), 'expected an input tensor "features", got "x"'],
    ['another datatype', withInput({ datatype: 'FP64' }), 'expected datatype FP32 of "features", got "FP64"'],
    [
      'a wrong width',
      withInput({ shape: [1n, 15n] }),
      'expected shape [1 to 1024, 16] of "features", got [1, 15]',
    ],
    ['a wrong rank', withInput({ shape: [16n] }), 'got [16]'],
    ['a third dimension', withInput({ shape: [1n, 16n, 1n] }), 'got [1, 16, 1]'],
    ['no rows', withInput({ shape: [0n, 16n] }), 'got [0, 16]'],
    ['a negative length', withInput({ shape: [-1n, 16n] }), 'got [-1, 16]'],
    ['a huge length', withInput({ shape: [2n ** 62n, 16n] }), `got [${2n ** 62n}, 16]`],
    [
      'too few values',
      withInput({ contents: undefined }),
      'expected 16 values in fp32_contents of "features", got 0',
    ],
    [
      'too many values',
      badRequest(() => ({
        inputs: [{ ...input, contents: { ...goodContents(), fp32Contents: values(17).fp32Contents } }],
      })),
      'got 17',
    ],
    [
      'another kind of contents',
      withInput({ contents: { ...goodContents(), fp32Contents: [], fp64Contents: [1] } }),
      'expected fp32_contents for "features", got fp64Contents',
    ],
    [
      'a value that is no number',
      withInput({ contents: { ...goodContents(), fp32Contents: [Number.NaN, ...values(15).fp32Contents] } }),
      'expected finite values in "features", got NaN at index 0',
    ],
    [
      'typed and raw at once',
      badRequest(() => ({ rawInputContents: [Buffer.alloc(64)] })),
      'expected either contents or raw_input_contents',
    ],
    [
      'too few raw bytes',
      badRequest(() => ({
        inputs: [{ ...input, contents: undefined }],
        rawInputContents: [Buffer.alloc(63)],
      })),
      'expected 64 bytes for "features", got 63',
    ],
    [
      'too many raw entries',
      badRequest(() => ({
        inputs: [{ ...input, contents: undefined }],
        rawInputContents: [Buffer.alloc(64), Buffer.alloc(1)],
      })),
      'expected one entry of raw_input_contents per input, got 2 for 1',
    ],
    [
      'an unknown output',
      badRequest(() => ({ outputs: [{ name: 'y', parameters: new Map() }] })),
      'expected outputs among level, probabilities, got "y"',
    ],
  ];
  function goodContents() {
    if (!contents) throw new Error('no contents');
    return contents;
  }
  it('for every kind of mistake', async () => {
    const { client } = await start();
    for (const [what, request, details] of cases) {
      const answer = await infer(client, request);
      expect([what, answer.code], answer.details).toEqual([what, status.INVALID_ARGUMENT]);
      expect(answer.details, what).toContain(details);
    }
    expect((await infer(client)).code).toBe(status.OK);
  });

  it.each([
    ['demand-huge', '', 'expected one of demand-large, demand-small, got "demand-huge"'],
    ['', '', 'got ""'],
    ['__proto__', '', 'got "__proto__"'],
    ['demand-large', '2', '"demand-large" has version 1, not "2"'],
  ])('for the unknown model %j in version %j', async (modelName, modelVersion, details) => {
    const { client } = await start();
    const answer = await infer(client, { ...goodRequest(), modelName, modelVersion });
    expect(answer.code).toBe(status.NOT_FOUND);
    expect(answer.details).toContain(details);
    const about = { name: modelName, version: modelVersion };
    const notFound = { code: status.NOT_FOUND };
    await expect(rpc(client, oip.modelReady, about)).rejects.toMatchObject(notFound);
    await expect(rpc(client, oip.modelMetadata, about)).rejects.toMatchObject(notFound);
  });
});

describe('startMockServer', () => {
  it.each([
    [{ port: 65_536 }, 'options.port: expected an integer from 0 to 65535, got 65536'],
    [{ host: '' }, 'options.host: expected a host name or address'],
    [{ models: [] }, 'options.models: expected some of demand-large, demand-small'],
    [{ seed: -1 }, 'options.seed: expected an integer from 0'],
    [{ latencyMs: -1 }, 'options.latencyMs: expected a number from 0'],
    [{ latencyMs: { 'demand-small': -1 } }, 'options.latencyMs.demand-small: expected a number from 0'],
    [
      { faults: { 'demand-large': { hangShare: 3 } } },
      'options.faults.demand-large.hangShare: expected a number',
    ],
    [
      { models: ['demand-small' as const], faults: { 'demand-large': {} } },
      'options.faults.demand-large: expected one of',
    ],
  ])('refuses %j', async (options, message) => {
    await expect(startMockServer(options)).rejects.toThrow(message);
  });

  it.each([
    [{ clock: {} }, 'options.clock.now: expected a function, got undefined'],
    [{ clock: { now: () => 0 } }, 'options.clock.setTimer: expected a function, got undefined'],
  ])('refuses what is no clock', async (options, message) => {
    const untyped: unknown = Reflect.apply(startMockServer, undefined, [options]);
    await expect(untyped).rejects.toThrow(message);
  });

  it('names its models in the error for the load of another', async () => {
    const { server } = await start({ models: ['demand-large'] });
    expect(() => server.load('demand-small')).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_INVALID_ARGUMENT',
        message: 'model: expected one of demand-large, got "demand-small"',
      }),
    );
  });

  it('has a preset for each of these servers', () => {
    expect(SERVER_PRESETS).toEqual(['triton', 'tfServing', 'kserve', 'mlserver', 'torchServe', 'rayServe']);
  });

  it('rejects with the error of Node where the port is taken', async () => {
    const { server } = await start();
    await expect(startMockServer({ port: server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it.each(['close', 'kill'] as const)(
    '%s ends running calls, frees the port, and can be called twice',
    async (how) => {
      const { server, client } = await start({
        host: OWN_HOST,
        faults: { 'demand-large': { hangShare: 1 } },
      });
      const hanging = infer(client);
      while (server.load('demand-large').running === 0) await new Promise((resolve) => setImmediate(resolve));
      await server[how]();
      await server[how]();
      expect((await hanging).code).not.toBe(status.OK);
      const again = await start({ host: OWN_HOST, port: server.port });
      const { client: other } = connect(again.server.address);
      expect((await infer(other)).code).toBe(status.OK);
    },
  );

  it('names the package that is missing', async () => {
    const cause = new Error('Cannot find package');
    const load = optional('grpc-health-check', () => Promise.reject(cause));
    await expect(load).rejects.toMatchObject({ code: 'FAILSOFT_UNSUPPORTED', cause });
    await expect(load).rejects.toThrow(
      'needs the package grpc-health-check: npm install --save-dev grpc-health-check @grpc/reflection',
    );
  });
});
