import { credentials, Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { callUnary as call, createGuard, presets } from 'failsoft';
import {
  PredictionServiceClient,
  PredictionServiceService,
  PredictRequest,
  PredictResponse,
} from 'failsoft/protos/tfserving';
import { type MockServer, type MockServerOptions, startMockServer } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  type EchoClient,
  echoClient,
  echoService,
  type Message,
} from '../support/echo-service.js';
import { eventually } from './fixture.js';

const closers = closedAfterEach();
const NAME = 'test.Echo';

const handlers = {
  unary: (made: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) => {
    if (made.request.text === 'throw') throw new Error('a bug');
    done(null, { text: `echo ${made.request.text}` });
  },
  serverStream: (made: { request: Message; write(message: Message): void; end(): void }) => {
    for (let index = 0; index < 3; index++) made.write({ text: `${made.request.text} ${index}` });
    made.end();
  },
};

async function start(options: MockServerOptions = {}): Promise<{ server: MockServer; client: EchoClient }> {
  const server = await startMockServer({ services: [[echoService, handlers]], ...options });
  const client = echoClient(server.address, { 'grpc.use_local_subchannel_pool': 1 });
  closers.push(
    () => server.close(),
    () => client.close(),
  );
  return { server, client };
}

async function read(client: EchoClient): Promise<string[]> {
  const seen: string[] = [];
  const stream = client.serverStream({ text: 'a' }, new Metadata(), { deadline: Date.now() + 20_000 });
  await new Promise<void>((resolve) => {
    stream.on('data', (message: Message) => seen.push(message.text));
    stream.on('error', () => {});
    stream.on('status', ({ code, details }) => {
      seen.push(`${code} ${details}`);
      resolve();
    });
  });
  return seen;
}

describe('a service of the user', () => {
  it('frees the place of a handler that throws, or answers and throws', async () => {
    const odd = {
      unary: (made: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) => {
        if (made.request.text !== 'throw') done(null, { text: made.request.text });
        if (made.request.text !== 'good') throw new Error('a bug');
      },
    };
    const queue = { concurrency: 1, maxQueued: 0 };
    const { server, client } = await start({ services: [[echoService, odd]], faults: { [NAME]: { queue } } });
    const codes: (status | undefined)[] = [];
    for (const text of ['throw', 'throw', 'twice', 'twice', 'good'])
      codes.push((await callUnary(client, text)).error?.code);
    expect(codes).toEqual([status.INTERNAL, status.INTERNAL, undefined, undefined, undefined]);
    expect(server.load(NAME)).toEqual({ running: 0, queued: 0 });
  });

  it('answers beside the models', async () => {
    const { client, server } = await start();
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(await read(client)).toEqual(['a 0', 'a 1', 'a 2', '0 OK']);
    expect(server.faults.models).toContain(NAME);
    expect(server.load(NAME)).toEqual({ running: 0, queued: 0 });
  });

  it('has the faults of a model before its handlers', async () => {
    const { client, server } = await start({ faults: { [NAME]: { error: { code: 14, pushbackMs: 200 } } } });
    const failed = await callUnary(client, 'a');
    expect(failed.error).toMatchObject({ code: 14, details: 'injected fault' });
    expect(failed.error?.metadata.get('grpc-retry-pushback-ms')).toEqual(['200']);
    expect(await read(client)).toEqual(['14 injected fault']);
    server.faults.set(NAME, { notReady: true });
    expect((await callUnary(client, 'a')).error?.details).toContain('is not ready');
    server.faults.set(NAME, { dropShare: 1 });
    expect((await callUnary(client, 'a')).error?.code).toBe(status.UNAVAILABLE);
    server.faults.set(NAME, { hangShare: 1, queue: { concurrency: 1, maxQueued: 0 } });
    const hung = callUnary(client, 'a', {
      onCall: (made) =>
        void eventually(() => server.load(NAME).running === 1, 'running')
          .then(() => callUnary(client, 'b'))
          .then((second) => {
            expect(second.error?.details).toContain('maximum queue size');
            made.cancel();
          }),
    });
    expect((await hung).error?.code).toBe(status.CANCELLED);
    await eventually(() => server.load(NAME).running === 0, 'the place is free');
    server.faults.clear(NAME);
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(server.load(NAME)).toEqual({ running: 0, queued: 0 });
  });

  it.each([
    [{ kind: 'error', afterMessages: 1, code: 13, details: 'cut' }, ['a 0', '13 cut']],
    [
      { kind: 'error', afterMessages: 3, code: 13, details: 'at the end' },
      ['a 0', 'a 1', 'a 2', '13 at the end'],
    ],
    [{ kind: 'error', afterMessages: 0, code: 13, details: 'first' }, ['13 first']],
  ] as const)('has its response stream cut: %j', async (fault, expected) => {
    const { client } = await start({ faults: { [NAME]: { stream: { fault } } } });
    expect(await read(client)).toEqual(expected);
  });

  it('has a stalled and a dropped stream', async () => {
    const { client, server } = await start({
      faults: { [NAME]: { stream: { fault: { kind: 'drop', afterMessages: 1 } } } },
    });
    expect((await read(client)).at(-1)).toMatch(/^14 /);
    server.faults.set(NAME, { stream: { fault: { kind: 'stall', afterMessages: 1 } } });
    const stream = client.serverStream({ text: 'a' }, new Metadata(), { deadline: Date.now() + 20_000 });
    stream.on('data', () => stream.cancel());
    const code = await new Promise((resolve) => {
      stream.on('error', () => {});
      stream.on('status', (ended) => resolve(ended.code));
    });
    expect(code).toBe(status.CANCELLED);
    await eventually(() => server.load(NAME).running === 0, 'the place is free');
  });

  it('that throws answers INTERNAL, and lives on; a method without a handler is UNIMPLEMENTED', async () => {
    const { client } = await start();
    expect((await callUnary(client, 'throw')).error).toMatchObject({
      code: 13,
      details: 'the handler threw: Error: a bug',
    });
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    const stream = client.bidi(new Metadata(), { deadline: Date.now() + 20_000 });
    const code = await new Promise((resolve) => {
      stream.on('error', () => {});
      stream.on('status', (ended) => resolve(ended.code));
    });
    expect(code).toBe(status.UNIMPLEMENTED);
  });

  it('can test a client of TensorFlow Serving', async () => {
    const { server } = await start({
      preset: 'tfServing',
      services: [
        [
          PredictionServiceService,
          {
            predict: (
              made: ServerUnaryCall<PredictRequest, PredictResponse>,
              done: sendUnaryData<PredictResponse>,
            ) => done(null, PredictResponse.fromPartial({ modelSpec: made.request.modelSpec })),
          },
        ],
      ],
      faults: { 'tensorflow.serving.PredictionService': { notReady: true } },
    });
    const guard = createGuard({ classify: presets.tfServing });
    const client = new PredictionServiceClient(server.address, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    closers.push(
      () => client.close(),
      () => guard.close(),
    );
    const request = PredictRequest.fromPartial({ modelSpec: { name: 'm' } });
    await expect(call(client, 'predict', request)).rejects.toMatchObject({ code: status.NOT_FOUND });
    server.faults.clear();
    expect((await call(client, 'predict', request)).response.modelSpec?.name).toBe('m');
  });
});
