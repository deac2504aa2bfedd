import {
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerWritableStream,
  StatusBuilder,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { FallbackRegistry } from '../../../src/fallback/registry.js';
import type { ProtectedStrategy } from '../../../src/fallback/secondary/protected-strategy.js';
import { secondaryModel } from '../../../src/fallback/secondary/secondary-model.js';
import type { Method } from '../../../src/fallback/strategy.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { FakeCall } from '../support.js';

/** Methods whose messages are `{text}`. */
interface Text {
  text: string;
}
const method = (name: string, requestStream: boolean, responseStream: boolean): Method<Text, Text> => ({
  path: `/test.Texts/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (value) => Buffer.from(value.text),
  requestDeserialize: (bytes) => ({ text: bytes.toString() }),
  responseSerialize: (value) => Buffer.from(value.text),
  responseDeserialize: (bytes) => ({ text: bytes.toString() }),
});
const split = method('Split', false, true);
const join = method('Join', true, false);
const service = { split, join };
const Client = makeGenericClientConstructor(service, 'test.Texts');

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface Handlers {
  split?: (call: ServerWritableStream<Text, Text>) => void;
  join?: (call: ServerReadableStream<Text, Text>, done: sendUnaryData<Text>) => void;
}

async function start(handlers: Handlers, options: ClientOptions = {}) {
  const server = new Server();
  server.addService(service, { ...handlers });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  stops.push(() => {
    client.close();
    server.forceShutdown();
  });
  return client;
}

function run(of: Method<Text, Text>, strategy: ProtectedStrategy<Text, Text>, call: FakeCall) {
  const chain = new FallbackRegistry().register(of, [strategy]).chainFor(of.path);
  if (chain === undefined) throw new Error('not registered');
  return chain.run(call);
}

/** The mapping tells the compiler what a dynamic client's messages are. */
const texts = {
  response: (answer: object): Text => ({ text: 'text' in answer ? String(answer.text) : '' }),
};

/** Reads a streamed answer, and stops after `most`. */
async function read(message: unknown, most = Number.POSITIVE_INFINITY): Promise<string[]> {
  const read: string[] = [];
  if (typeof message !== 'object' || message === null || !(Symbol.asyncIterator in message))
    throw new Error('the answer is no stream');
  const stream: AsyncIterable<Text> = Object.create(message);
  const iterator = Reflect.apply(stream[Symbol.asyncIterator], message, []);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    read.push(next.value.text);
    if (read.length === most) {
      await iterator.return?.();
      break;
    }
  }
  return read;
}

describe('a server-streaming secondary', () => {
  const splits = (call: ServerWritableStream<Text, Text>) => {
    for (const text of call.request.text.split(' ')) call.write({ text });
    call.end();
  };

  it('answers with its stream, and settles its circuit at the end', async () => {
    const client = await start({ split: splits });
    const strategy = secondaryModel(client, 'split', { name: 's', ...texts });
    const { answer } = await run(
      split,
      strategy,
      new FakeCall({ method: split.path, request: { text: 'a b c' } }),
    );
    expect(answer?.source).toBe('secondary:s');
    expect(await read(answer?.message)).toEqual(['a', 'b', 'c']);
    await expect.poll(() => strategy.circuit?.snapshot().totals.outcomes.success).toBe(1);
    expect(strategy.inFlight).toBe(0);
  });

  it('that fails before its first message is a failed attempt', async () => {
    const client = await start({
      split: (call) => void call.emit('error', { code: status.UNAVAILABLE, details: 'down' }),
    });
    const strategy = secondaryModel(client, 'split', { name: 's', ...texts });
    const { answer, attempts } = await run(split, strategy, new FakeCall({ request: { text: 'a' } }));
    expect(answer).toBeUndefined();
    expect(attempts).toMatchObject([{ result: 'failed', error: { code: status.UNAVAILABLE } }]);
    expect(strategy.circuit?.snapshot().totals.outcomes.failure).toBe(1);
  });

  it('that fails after it passes its error on to the reader', async () => {
    const client = await start({
      split: (call) => {
        call.write({ text: 'a' }, () => call.emit('error', { code: status.INTERNAL, details: 'broke' }));
      },
    });
    const strategy = secondaryModel(client, 'split', { name: 's', ...texts });
    const { answer } = await run(split, strategy, new FakeCall({ request: { text: 'a' } }));
    await expect(read(answer?.message)).rejects.toMatchObject({ code: status.INTERNAL });
    expect(strategy.inFlight).toBe(0);
  });

  it.each<[string, object]>([
    ['metadata that are {}', { code: status.UNAVAILABLE, details: 'odd', metadata: {} }],
    ['metadata that are null', { code: status.UNAVAILABLE, details: 'odd', metadata: null }],
    ["grpc-js's own builder", new StatusBuilder().withCode(status.UNAVAILABLE).withDetails('odd').build()],
    ['no details', { code: status.UNAVAILABLE }],
    ['no code', { details: 'odd' }],
  ])('that ends with the odd status of an interceptor settles its circuit: %s', async (_which, odd) => {
    const ending: Interceptor = (callOptions, nextCall) =>
      new InterceptingCall(nextCall(callOptions), {
        start: (metadata, _listener, next) =>
          next(metadata, { onReceiveStatus: (_status, pass) => Reflect.apply(pass, undefined, [odd]) }),
      });
    const errors = uncaughtErrors(stops);
    const client = await start({ split: splits }, { interceptors: [ending] });
    const strategy = secondaryModel(client, 'split', { name: 's', ...texts });
    const { answer } = await run(split, strategy, new FakeCall({ request: { text: 'a' } }));
    await expect(read(answer?.message)).rejects.toBeInstanceOf(Error);
    expect(strategy.circuit?.snapshot().totals.outcomes).toMatchObject({ failure: 1, success: 0 });
    expect({ inFlight: strategy.inFlight, errors }).toEqual({ inFlight: 0, errors: [] });
  });

  it.each(['the reader stops', 'the caller cancels'])('ends its call when %s', async (who) => {
    let cancelled = false;
    const client = await start({
      split: (call) => {
        call.on('cancelled', () => {
          cancelled = true;
        });
        call.write({ text: 'a' });
      },
    });
    const strategy = secondaryModel(client, 'split', { name: 's', ...texts });
    const call = new FakeCall({ request: { text: 'a' } });
    const { answer } = await run(split, strategy, call);
    if (who === 'the reader stops') expect(await read(answer?.message, 1)).toEqual(['a']);
    else call.abort('cancelled');
    await expect.poll(() => cancelled).toBe(true);
    await expect.poll(() => strategy.inFlight).toBe(0);
  });
});

describe('a client-streaming secondary', () => {
  it('gets the messages that were sent so far', async () => {
    const client = await start({
      join: (call, done) => {
        const parts: string[] = [];
        call.on('data', (part: Text) => parts.push(part.text));
        call.on('end', () => done(null, { text: parts.join('+') }));
      },
    });
    const strategy = secondaryModel(client, 'join', { name: 's', ...texts });
    const call = new FakeCall({ requests: [{ text: 'a' }, { text: 'b' }] });
    expect((await run(join, strategy, call)).answer?.message).toEqual({ text: 'a+b' });
    const tooLong = await run(join, strategy, new FakeCall({ requests: [] }));
    expect(tooLong.attempts).toMatchObject([{ result: 'declined' }]);
  });

  it('must be of the method’s own kind', async () => {
    const client = await start({});
    expect(() => run(join, secondaryModel(client, 'split', { name: 's', ...texts }), new FakeCall())).toThrow(
      'the same kind of streaming',
    );
  });
});
