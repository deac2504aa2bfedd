import { setImmediate } from 'node:timers/promises';
import { type ClientDuplexStream, Metadata, status } from '@grpc/grpc-js';
import { callUnary } from 'failsoft';
import {
  bfloat16,
  bool,
  bytes,
  float16,
  float32,
  float64,
  inferRequest,
  inferResponse,
  int8,
  int16,
  int32,
  int64,
  type Tensor,
  tensor,
  texts,
  uint8,
  uint16,
  uint32,
  uint64,
} from 'failsoft/oip';
import { DataType, type ModelInferRequest, type ModelStreamInferResponse } from 'failsoft/protos/oip';
import { type OwnModel, startMockServer } from 'failsoft/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs, SEED } from '../support/properties.js';
import { type Fixture, start } from './fixture.js';

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

/** Gives the sum of its input. */
const iris = (request: ModelInferRequest) =>
  inferResponse(request, { y: float32([1], [sum(tensor(request, 'x', 'FP32').data)]) });

/** Streams the words of its input, one response each. */
async function* llm(request: ModelInferRequest) {
  for (const word of (texts(request, 'prompt')[0] ?? '').split(' ')) {
    await setImmediate();
    yield inferResponse(request, { token: bytes([1], [word]) });
  }
}

const x = { x: float32([1, 4], [1, 2, 3, 4]) };
const prompt = (text: string) => inferRequest('llm', { prompt: bytes([1], [text]) }, { id: 'a' });
const ask = ({ client }: Fixture, request: ModelInferRequest) => callUnary(client, 'modelInfer', request);

function streamOf({ client }: Fixture, request: ModelInferRequest, metadata = new Metadata()) {
  const call: ClientDuplexStream<ModelInferRequest, ModelStreamInferResponse> = client.modelStreamInfer(
    metadata,
    { deadline: Date.now() + 30_000 },
  );
  const words: string[] = [];
  const ended = new Promise<{ code: status; details: string; words: string[] }>((resolve) => {
    call.on('data', ({ errorMessage, inferResponse: response }: ModelStreamInferResponse) => {
      if (errorMessage !== '') words.push(`error: ${errorMessage}`);
      else if (response?.outputs.length) words.push(...texts(response, 'token'));
      else words.push(`final ${response?.parameters.get('triton_final_response')?.boolParam}`);
    });
    call.on('error', () => {});
    call.on('status', ({ code, details }) => resolve({ code, details, words }));
  });
  call.write(request);
  call.end();
  return { call, ended };
}

describe('a model of the user', () => {
  it('answers, with the names and the id of the request', async () => {
    const fixture = await start({ models: { iris } });
    for (const raw of [true, false]) {
      const { response } = await ask(fixture, inferRequest('iris', x, { id: '7', raw }));
      expect(response).toMatchObject({ modelName: 'iris', modelVersion: '1', id: '7' });
      expect(response.rawOutputContents.length).toBe(raw ? 1 : 0);
      expect(tensor(response, 'y', 'FP32').data).toEqual(Float32Array.of(10));
    }
    const unknown = await ask(fixture, inferRequest('other', x)).catch((error: unknown) => error);
    expect(unknown).toMatchObject({ code: status.NOT_FOUND });
    expect(
      (await callUnary(fixture.client, 'modelReady', { name: 'iris', version: '' })).response.ready,
    ).toBe(true);
    expect(fixture.server.models).toEqual(['iris']);
  });

  it('has all faults, and a latency', async () => {
    const fixture = await start({
      models: { iris },
      latencyMs: { iris: 5 },
      faults: { iris: { error: { code: status.UNAVAILABLE, pushbackMs: 300 } } },
    });
    const failed = await ask(fixture, inferRequest('iris', x)).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: status.UNAVAILABLE, details: 'injected fault' });
    fixture.server.faults.set('iris', { notReady: true });
    expect(await ask(fixture, inferRequest('iris', x)).catch((error: unknown) => error)).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'Model iris is not ready',
    });
    fixture.server.faults.clear();
    const began = performance.now();
    await ask(fixture, inferRequest('iris', x));
    expect(performance.now() - began).toBeGreaterThan(4);
  });

  it.each<[string, () => never, number, string]>([
    [
      'a status',
      () => {
        throw Object.assign(new Error('x'), { code: 5, details: 'no such row' });
      },
      5,
      'no such row',
    ],
    [
      'an error',
      () => {
        throw new Error('out of memory');
      },
      13,
      'bad: out of memory',
    ],
    [
      'an error of Node',
      () => {
        throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      },
      13,
      'bad: refused',
    ],
    [
      'no error',
      () => {
        throw 'text';
      },
      13,
      'bad: text',
    ],
  ])('that throws %s ends the call with a status', async (_what, bad, code, details) => {
    const fixture = await start({ models: { bad } });
    const failed = await ask(fixture, inferRequest('bad', x)).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code, details });
  });

  it('that gives no response ends the call with an error that names the bug', async () => {
    const fixture = await start({ models: { bad: JSON.parse('{}'), ...{} } }).catch(
      (error: unknown) => error,
    );
    expect(String(fixture)).toContain('options.models.bad.infer: expected a function, got undefined');
    const nothing = await start({ models: { bad: () => JSON.parse('"text"') } });
    const failed = await ask(nothing, inferRequest('bad', x)).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 13 });
    expect(String(failed)).toContain('expected a ModelInferResponse, got "text"');
  });

  it('checks its inputs where they are declared, and has metadata', async () => {
    const model: OwnModel = {
      infer: iris,
      inputs: { x: { datatype: 'FP32', shape: [-1, 4] } },
      outputs: { y: { datatype: 'BYTES', shape: [-1, 1] } },
      versions: ['3', '4'],
      platform: 'onnxruntime_onnx',
      maxBatchSize: 8,
    };
    const fixture = await start({ models: { iris: model } });
    const { client } = fixture;
    const { response: metadata } = await callUnary(client, 'modelMetadata', { name: 'iris', version: '4' });
    expect(metadata).toMatchObject({ versions: ['3', '4'], platform: 'onnxruntime_onnx' });
    expect(metadata.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1n, 4n] }]);
    const { response } = await callUnary(client, 'modelConfig', { name: 'iris', version: '' });
    expect(response.config).toMatchObject({
      maxBatchSize: 8,
      input: [{ name: 'x', dataType: DataType.TYPE_FP32, dims: [4n] }],
      output: [{ name: 'y', dataType: DataType.TYPE_STRING, dims: [1n] }],
    });
    for (const [inputs, text] of [
      [{}, 'expected 1 inputs but got 0 inputs'],
      [{ z: x.x }, "unexpected inference input 'z' for model 'iris'"],
      [
        { x: float32([1, 3], [1, 2, 3]) },
        "unexpected shape for input 'x' for model 'iris'. Expected [-1,4], got [1,3]",
      ],
      [{ x: int64([1, 4], [1, 2, 3, 4]) }, "data-type is 'INT64', but model 'iris' expects 'FP32'"],
    ] as const) {
      const failed = await ask(fixture, inferRequest('iris', inputs)).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: status.INVALID_ARGUMENT });
      expect(String(failed)).toContain(text);
    }
    expect((await ask(fixture, inferRequest('iris', x, { version: '4' }))).response.modelVersion).toBe('4');
  });

  it('gets every tensor as the client made it: the round trip of each datatype', async () => {
    const fixture = await start({
      models: { echo: (request) => inferResponse(request, { x: tensor(request, 'x') }) },
    });
    const list = <T>(element: fc.Arbitrary<T>) => fc.array(element, { maxLength: 6 });
    const typed = { maxLength: 6 };
    const made: fc.Arbitrary<Tensor> = fc.oneof(
      list(fc.boolean()).map((v) => bool([v.length], v)),
      fc.int8Array(typed).map((v) => int8([v.length], v)),
      fc.int16Array(typed).map((v) => int16([v.length], v)),
      fc.int32Array(typed).map((v) => int32([v.length], v)),
      list(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)).map((v) => int64([v.length], v)),
      fc.uint8Array(typed).map((v) => uint8([v.length], v)),
      fc.uint16Array(typed).map((v) => uint16([v.length], v)),
      fc.uint32Array(typed).map((v) => uint32([v.length], v)),
      list(fc.bigInt(0n, 2n ** 64n - 1n)).map((v) => uint64([v.length], v)),
      list(fc.integer({ min: -2048, max: 2048 })).map((v) => float16([v.length], v)),
      list(fc.integer({ min: -256, max: 256 })).map((v) => bfloat16([v.length], v)),
      fc.float32Array(typed).map((v) => float32([v.length], v)),
      fc.float64Array(typed).map((v) => float64([1, v.length], v)),
      list(fc.string({ unit: 'grapheme' })).map((v) => bytes([v.length], v)),
    );
    const plain = ({ data, ...rest }: Tensor) => ({
      ...rest,
      data: Array.from<unknown>(data).map((each) => (each instanceof Uint8Array ? [...each] : each)),
    });
    await fc.assert(
      fc.asyncProperty(made, fc.boolean(), async (sent, contents) => {
        const raw = !contents || /^.+16$/.test(sent.datatype);
        const { response } = await ask(fixture, inferRequest('echo', { x: sent }, { raw }));
        expect(plain(tensor(response, 'x'))).toEqual(plain(sent));
      }),
      { numRuns: runs(150), seed: SEED },
    );
  });
});

describe('a model that streams', () => {
  it('gives its responses on a stream, and none to a single call', async () => {
    const fixture = await start({ models: { llm, iris } });
    expect(await streamOf(fixture, prompt('a model says')).ended).toMatchObject({
      code: 0,
      words: ['a', 'model', 'says'],
    });
    const single = await ask(fixture, prompt('a')).catch((error: unknown) => error);
    expect(single).toMatchObject({ code: status.UNIMPLEMENTED });
    const config = await callUnary(fixture.client, 'modelConfig', { name: 'llm', version: '' });
    expect(config.response.config?.modelTransactionPolicy?.decoupled).toBe(true);
    // Triton's switch
    const final = inferRequest(
      'llm',
      { prompt: bytes([1], ['x']) },
      { parameters: { triton_enable_empty_final_response: true } },
    );
    expect((await streamOf(fixture, final).ended).words).toEqual(['x', 'final true']);
    expect(fixture.server.load('llm')).toEqual({ running: 0, queued: 0 });
  });

  it('has faults between its responses, and gives its place back', async () => {
    const fixture = await start({ models: { llm } });
    const { faults } = fixture.server;
    const fault = { afterMessages: 2, code: 14 } as const;
    faults.set('llm', { stream: { fault: { kind: 'error', ...fault, details: 'gone' } } });
    expect(await streamOf(fixture, prompt('1 2 3 4')).ended).toEqual({
      code: 14,
      details: 'gone',
      words: ['1', '2'],
    });
    faults.set('llm', {
      stream: { fault: { kind: 'error-message', afterMessages: 1, message: 'bad token' } },
    });
    expect((await streamOf(fixture, prompt('1 2 3')).ended).words).toEqual([
      '1',
      'error: bad token',
      '2',
      '3',
    ]);
    faults.set('llm', { stream: { fault: { kind: 'stall', afterMessages: 1 } } });
    const { call, ended } = streamOf(fixture, prompt('1 2 3'));
    call.once('data', () => call.cancel());
    expect((await ended).code).toBe(status.CANCELLED);
    faults.clear();
    expect(fixture.server.load('llm').running).toBe(0);
  });

  it('that throws midway fails its item, or the stream with the header triton_grpc_error', async () => {
    const fixture = await start({
      models: {
        llm: async function* (request) {
          yield inferResponse(request, { token: bytes([1], ['one']) });
          throw Object.assign(new Error('no memory'), { code: 8, details: 'no memory' });
        },
      },
    });
    expect(await streamOf(fixture, prompt('a')).ended).toMatchObject({
      code: 0,
      words: ['one', 'error: no memory'],
    });
    const metadata = new Metadata();
    metadata.set('triton_grpc_error', 'true');
    expect(await streamOf(fixture, prompt('a'), metadata).ended).toEqual({
      code: 8,
      details: 'no memory',
      words: ['one'],
    });
    expect(fixture.server.load('llm').running).toBe(0);
  });
});

describe("Triton's repository", () => {
  it('lists, unloads and loads models', async () => {
    const fixture = await start({ models: { iris, llm: { infer: llm, versions: ['1', '3'] } } });
    const { client } = fixture;
    const index = async (ready = false) =>
      (await callUnary(client, 'repositoryIndex', { repositoryName: '', ready })).response.models.map(
        ({ name, version, state, reason }) => [name, version, state, reason].join(' '),
      );
    const named = (modelName: string) => ({ repositoryName: '', modelName, parameters: new Map() });
    expect(await index()).toEqual(['iris 1 READY ', 'llm 1 READY ', 'llm 3 READY ']);
    await callUnary(client, 'repositoryModelUnload', named('iris'));
    expect(await index()).toEqual(['iris 1 UNAVAILABLE unloaded', 'llm 1 READY ', 'llm 3 READY ']);
    expect(await index(true)).toEqual(['llm 1 READY ', 'llm 3 READY ']);
    expect(await ask(fixture, inferRequest('iris', x)).catch((error: unknown) => error)).toMatchObject({
      code: status.NOT_FOUND,
      details: "Request for unknown model: 'iris' has no available versions",
    });
    const ready = async () =>
      (await callUnary(client, 'modelReady', { name: 'iris', version: '' })).response.ready;
    expect(await ready()).toBe(false);
    expect((await callUnary(client, 'serverReady', {})).response.ready).toBe(true);
    await callUnary(client, 'repositoryModelLoad', named('iris'));
    expect(await ready()).toBe(true);
    await ask(fixture, inferRequest('iris', x));
    const failed = await callUnary(client, 'repositoryModelLoad', named('gone')).catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({
      code: status.INTERNAL,
      details: "failed to load 'gone', failed to poll from model repository",
    });
  });

  it('counts the calls of the models', async () => {
    const fixture = await start({ models: { iris, llm }, latencyMs: 2 });
    const { client, server } = fixture;
    const statistics = async (name: string) =>
      (await callUnary(client, 'modelStatistics', { name, version: '' })).response.modelStats;
    expect(await statistics('')).toHaveLength(2);
    for (let call = 0; call < 3; call++) await ask(fixture, inferRequest('iris', x));
    server.faults.set('iris', { error: { code: 13 } });
    await ask(fixture, inferRequest('iris', x)).catch(() => {});
    const [counted] = await statistics('iris');
    expect(counted).toMatchObject({ name: 'iris', version: '1', inferenceCount: 3n, executionCount: 3n });
    expect(counted?.inferenceStats?.success?.count).toBe(3n);
    expect(counted?.inferenceStats?.fail?.count).toBe(1n);
    expect(counted?.inferenceStats?.success?.ns).toBeGreaterThan(5_000_000n);
    expect(Number(counted?.lastInference)).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('bad options', () => {
  it.each<[unknown, string]>([
    [{ models: { iris: 5 } }, 'options.models.iris: expected an object, got 5'],
    [
      { models: { iris: { infer: iris, shape: [] } } },
      'options.models.iris.shape: expected one of the options infer, inputs',
    ],
    [
      { models: { iris: { infer: iris, inputs: { x: { datatype: 'FP32', shape: [-2] } } } } },
      'options.models.iris.inputs.x.shape[0]: expected an integer from -1',
    ],
    [
      { models: { iris: { infer: iris, versions: [] } } },
      'options.models.iris.versions: expected an array of texts',
    ],
    [{ models: { iris }, faults: { iirs: {} } }, 'options.faults.iirs: expected one of the options iris'],
    [{ models: 'iris' }, 'options.models: expected some of demand-large, demand-small, or functions by name'],
    [{ services: [5] }, 'options.services[0]: expected [definition, handlers], got 5'],
    [{ services: [[{}, {}]] }, 'options.services[0][0]: expected the definition of a service'],
  ])('%j is an error that says so', async (options, text) => {
    await expect(Reflect.apply(startMockServer, undefined, [options])).rejects.toThrow(text);
  });
});
