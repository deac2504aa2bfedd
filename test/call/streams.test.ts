import {
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  FallbackRegistry,
  type FallbackStrategy,
  type GuardOptions,
  type Outcome,
  perKey,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { echoClient, echoService, type Message, startEchoServer } from '../support/echo-service.js';
import { createGuard, openFor, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();

async function setUp(options: GuardOptions = {}) {
  const server = await startEchoServer();
  const guard = createGuard({ circuit: { ...tripAfter(2), ...openFor(600_000) }, ...options });
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, client, guard };
}

type Strategy = FallbackStrategy<Message, Message>;
type StreamMethod = 'clientStream' | 'serverStream' | 'bidi';

function registry(method: StreamMethod, ...strategies: Strategy[]): FallbackRegistry {
  return new FallbackRegistry().register(echoService[method], strategies);
}

interface Readable {
  on(event: 'data', listener: (message: Message) => void): unknown;
  on(event: 'metadata', listener: (metadata: Metadata) => void): unknown;
  on(event: 'error', listener: (error: ServiceError) => void): unknown;
  on(event: 'status', listener: (status: StatusObject) => void): unknown;
}

interface Collected {
  readonly texts: readonly string[];
  readonly metadata: Metadata[];
  readonly status: StatusObject;
}

/** Reads a response stream to its status. */
function collect(stream: Readable): Promise<Collected> {
  return new Promise((resolve) => {
    const texts: string[] = [];
    const metadata: Metadata[] = [];
    stream.on('metadata', (headers) => metadata.push(headers));
    stream.on('data', (message) => texts.push(message.text));
    stream.on('error', () => undefined); // the status tells the same
    stream.on('status', (status) => resolve({ texts, metadata, status }));
  });
}

const error = (code: status, details = 'as told') => Object.assign(new Error(details), { code, details });

describe('a server stream', () => {
  const start = (client: ReturnType<typeof echoClient>, options = {}) =>
    client.serverStream({ text: 'a' }, new Metadata(), options);

  it('passes through and counts by its status', async () => {
    const { client, guard } = await setUp();
    expect((await collect(start(client))).texts).toEqual(['a 0', 'a 1', 'a 2']);
    expect(guard.circuit(echoService.serverStream).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { success: 1 } },
    });
  });

  it('is rejected when the circuit is open', async () => {
    const { client, server, guard } = await setUp();
    server.handlers.serverStream = (call) => call.emit('error', error(status.UNAVAILABLE));
    for (let n = 0; n < 2; n++) expect((await collect(start(client))).status.code).toBe(status.UNAVAILABLE);
    expect(guard.circuit(echoService.serverStream).state).toBe('open');
    const reached = server.calls.count;
    const ended = await collect(start(client));
    expect(circuitRejectionOf(ended.status)?.reason).toBe('CIRCUIT_OPEN');
    expect(server.calls.count).toBe(reached);
  });

  async function* three() {
    for (const text of ['x', 'y', 'z']) yield { text };
  }

  it.each([
    ['an async iterable', () => three()],
    ['an iterable', () => [{ text: 'x' }, { text: 'y' }, { text: 'z' }]],
  ])('falls back with %s while no message was delivered', async (_what, messages) => {
    const fallbacks = registry('serverStream', {
      name: 'secondary:small',
      answer: () => ({ message: messages(), source: 'secondary:small' }),
    });
    const { client, server } = await setUp({ fallbacks });
    server.handlers.serverStream = (call) => {
      call.sendMetadata(new Metadata());
      call.emit('error', error(status.INTERNAL));
    };
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['x', 'y', 'z']);
    expect(ended.status.code).toBe(status.OK);
    expect(ended.metadata.map((metadata) => provenanceOf(metadata).source)).toEqual(['secondary:small']);
  });

  it('falls back with a single message, too', async () => {
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: { text: 'none' }, source: 'default' }),
    });
    const { client, guard } = await setUp({ fallbacks });
    using _held = guard.circuit(echoService.serverStream).isolate();
    expect((await collect(start(client))).texts).toEqual(['none']);
  });

  it('is pulled one message per read', async () => {
    let pulled = 0;
    const source: Iterable<Message> = {
      *[Symbol.iterator]() {
        for (;;) yield { text: String(pulled++) };
      },
    };
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: source, source: 'default' }),
    });
    const { client, guard } = await setUp({ fallbacks });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const stream = start(client);
    const seen: string[] = [];
    for await (const message of stream) {
      seen.push(message.text);
      if (seen.length === 5) break;
    }
    stream.cancel();
    expect(seen).toEqual(['0', '1', '2', '3', '4']);
    expect(pulled).toBeLessThan(5 + 40); // what the reader's buffer asked for, and no more
  });

  it('of a fallback that is not read to its end frees its source', async () => {
    let returned = 0;
    const source: Iterable<Message> = {
      *[Symbol.iterator]() {
        try {
          for (let n = 0; ; n++) yield { text: String(n) };
        } finally {
          returned++;
        }
      },
    };
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: source, source: 'default' }),
    });
    const { client, guard } = await setUp({ fallbacks, abandonedAfterMs: 30 });
    using _held = guard.circuit(echoService.serverStream).isolate();
    for await (const _message of start(client)) break;
    await expect.poll(() => returned).toBe(1);
    const unread = start(client);
    const ended = new Promise<StatusObject>((resolve) => unread.on('status', resolve));
    unread.on('error', () => undefined);
    expect(await ended).toMatchObject({
      code: status.CANCELLED,
      details: "failsoft: the caller did not read the fallback's stream",
    });
  });

  /** A source whose messages the test gives, and which counts how often it is asked meanwhile. */
  function byHand() {
    const asked: ((message: Message | undefined) => void)[] = [];
    const source: AsyncIterable<Message> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve) => {
            asked.push((value) =>
              resolve(value === undefined ? { done: true, value } : { done: false, value }),
            );
          }),
      }),
    };
    const strategy: Strategy = { name: 'default', answer: () => ({ message: source, source: 'default' }) };
    return { asked, strategy };
  }

  it('of a fallback has its whole deadline for a message', async () => {
    const { asked, strategy } = byHand();
    const clock = new ManualClock();
    const { client, guard } = await setUp({ clock, fallbacks: registry('serverStream', strategy) });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const collected = collect(start(client, { deadline: Date.now() + 60_000 }));
    await expect.poll(() => asked.length).toBe(1);
    clock.advance(1_000);
    asked[0]?.({ text: 'late' });
    await expect.poll(() => asked.length).toBe(2);
    asked[1]?.(undefined);
    expect(await collected).toMatchObject({ texts: ['late'], status: { code: status.OK } });
  });

  it('asks its fallback for one message at a time, however many are wanted', async () => {
    const { asked, strategy } = byHand();
    const { client, guard } = await setUp({
      fallbacks: registry('serverStream', { ...strategy, decoded: true }),
    });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const eager: Interceptor = (options, next) => {
      const inner = next(options);
      const read = inner.startRead.bind(inner);
      inner.startRead = () => {
        for (let n = 0; n < 3; n++) read();
      };
      return new InterceptingCall(inner);
    };
    const collected = collect(start(client, { interceptors: [eager, guard.interceptor] }));
    for (const [n, text] of ['a', 'b', undefined].entries()) {
      await expect.poll(() => asked.length).toBe(n + 1);
      asked[n]?.(text === undefined ? undefined : { text });
    }
    expect((await collected).texts).toEqual(['a', 'b']);
    expect(asked).toHaveLength(3);
  });

  it('gives no message of its fallback after it was cancelled', async () => {
    const { asked, strategy } = byHand();
    const { client, guard } = await setUp({ fallbacks: registry('serverStream', strategy) });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const stream = start(client);
    const collected = collect(stream);
    await expect.poll(() => asked.length).toBe(1);
    asked[0]?.({ text: 'too late' });
    stream.cancel();
    expect(await collected).toMatchObject({ texts: [], status: { code: status.CANCELLED } });
  });

  it('passes an error on that comes after a message', async () => {
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: { text: 'none' }, source: 'default' }),
    });
    const { client, server, guard } = await setUp({ fallbacks });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'first' });
      call.emit('error', error(status.DATA_LOSS));
    };
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['first']);
    expect(ended.status.code).toBe(status.DATA_LOSS);
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.failure).toBe(1);
  });

  const inBand = {
    classifyMessage: (message: unknown): Outcome | undefined =>
      (message as Message).text.startsWith('error') ? 'failure' : undefined,
  };

  it('counts an error inside an OK stream as a failure', async () => {
    const { client, server, guard } = await setUp({ classify: inBand });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'fine' });
      call.write({ text: 'error: out of memory' });
      call.end();
    };
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['fine', 'error: out of memory']);
    expect(ended.status.code).toBe(status.OK);
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.failure).toBe(1);
  });

  it.each(['the caller', 'the deadline'])(
    'stops the source of its fallback at the word of %s',
    async (who) => {
      let asked = () => {};
      const pulled = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const reasons: string[] = [];
      const fallbacks = registry('serverStream', {
        name: 'default',
        answer: ({ signal }) => ({
          source: 'default',
          // At once, but what it reads from hangs and listens to nothing but the signal.
          message: (async function* () {
            yield { text: 'one' };
            asked();
            await new Promise((_, reject) => {
              signal.addEventListener('abort', () => {
                reasons.push(signal.reason.name);
                reject(signal.reason);
              });
            });
          })(),
        }),
      });
      const { client, guard } = await setUp({ fallbacks });
      using _held = guard.circuit(echoService.serverStream).isolate();
      const stream = start(client, who === 'the deadline' ? { deadline: Date.now() + 1_000 } : {});
      const collected = collect(stream);
      await pulled;
      if (who === 'the caller') stream.cancel();
      const ended = await collected;
      expect(ended.texts).toEqual(['one']);
      const expected = who === 'the caller' ? status.CANCELLED : status.DEADLINE_EXCEEDED;
      expect(ended.status.code).toBe(expected);
      expect(reasons).toEqual([who === 'the caller' ? 'AbortError' : 'TimeoutError']);
    },
  );

  it('can be cancelled though the source of its fallback fails to stop', async () => {
    const source: Iterable<Message> = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: { text: 'more' } }),
        return: () => {
          throw new Error('does not stop');
        },
      }),
    };
    const fallbacks = registry('serverStream', {
      name: 'default',
      decoded: true,
      answer: () => ({ message: source, source: 'default' }),
    });
    const { client, guard } = await setUp({ fallbacks });
    using _held = guard.circuit(echoService.serverStream).isolate();
    const stream = start(client);
    stream.once('data', () => stream.cancel());
    expect((await collect(stream)).status.code).toBe(status.CANCELLED);
  });

  it('is still watched for stalls when no fallback could replace its first message', async () => {
    const fallbacks = registry('serverStream', { name: 'none', answer: () => undefined });
    const { client, server } = await setUp({ classify: inBand, fallbacks, stallTimeoutMs: 40 });
    server.handlers.serverStream = (call) => void call.write({ text: 'error: out of memory' }); // and no more
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['error: out of memory']);
    expect(ended.status.details).toBe('failsoft: no further message within 40 ms');
  });

  it('falls back when its first message is an error in disguise', async () => {
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: three(), source: 'default' }),
    });
    const { client, server, guard } = await setUp({ classify: inBand, fallbacks });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'error: out of memory' });
      call.end();
    };
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['x', 'y', 'z']);
    expect(ended.metadata.map((metadata) => provenanceOf(metadata).cause)).toEqual(['INVALID_ANSWER']);
    expect(guard.circuit(echoService.serverStream).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1 } },
    });
  });

  it('is cancelled on the server when a fallback answers in its place', async () => {
    const fallbacks = registry('serverStream', {
      name: 'default',
      answer: () => ({ message: three(), source: 'default' }),
    });
    const { client, server } = await setUp({ classify: inBand, fallbacks });
    const cancelled = new Promise<void>((resolve) => {
      server.handlers.serverStream = (call) => {
        call.on('cancelled', resolve);
        call.write({ text: 'error: out of memory' }); // and never ends
      };
    });
    expect((await collect(start(client))).texts).toEqual(['x', 'y', 'z']);
    await cancelled;
  });

  it('is ended when its first message does not come in time', async () => {
    const { client, server, guard } = await setUp({ firstMessageTimeoutMs: 40 });
    server.handlers.serverStream = (call) => call.sendMetadata(new Metadata());
    const ended = await collect(start(client));
    expect(ended.status).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      details: 'failsoft: no first message within 40 ms',
    });
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('is ended when it stalls', async () => {
    const { client, server, guard } = await setUp({ stallTimeoutMs: 40 });
    server.handlers.serverStream = (call) => void call.write({ text: 'first' });
    const ended = await collect(start(client));
    expect(ended.texts).toEqual(['first']);
    expect(ended.status.details).toBe('failsoft: no further message within 40 ms');
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('that is not read to its end does not hold its permit for ever', async () => {
    const { client, server, guard } = await setUp({ abandonedAfterMs: 30 });
    server.handlers.serverStream = (call) => {
      for (let n = 0; n < 100; n++) call.write({ text: String(n) });
    };
    const stream = start(client);
    for await (const _message of stream) break;
    await expect.poll(() => guard.circuit(echoService.serverStream).snapshot().inFlight).toBe(0);
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes.ignored).toBe(1);
    stream.cancel();
  });

  it('decides a probe with its first message', async () => {
    const { client, server, guard } = await setUp({
      circuit: { ...tripAfter(1), ...openFor(1) },
    });
    server.handlers.serverStream = (call) => call.emit('error', error(status.UNAVAILABLE));
    await collect(start(client));
    let end = () => {};
    server.handlers.serverStream = (call) => {
      call.write({ text: 'first' });
      end = () => call.end();
    };
    await expect.poll(() => guard.circuit(echoService.serverStream).state).toBe('half-open');
    const ended = collect(start(client));
    await expect.poll(() => guard.circuit(echoService.serverStream).state).toBe('closed');
    end();
    expect((await ended).status.code).toBe(status.OK);
  });
});

describe('a client stream', () => {
  interface Answer {
    readonly value: Message | undefined;
    readonly error: ServiceError | undefined;
  }
  function send(client: ReturnType<typeof echoClient>, texts: readonly string[]): Promise<Answer> {
    return new Promise((resolve) => {
      const call = client.clientStream(new Metadata(), {}, (failed, value) =>
        resolve({ value, error: failed ?? undefined }),
      );
      const write = (index: number): void => {
        const text = texts[index];
        if (text === undefined) call.end();
        else call.write({ text }, () => setImmediate(write, index + 1)); // hangs where a write is not called back
      };
      write(0);
    });
  }
  const joined: Strategy = {
    name: 'secondary:small',
    answer: ({ requests }) => ({
      message: { text: requests.map(({ text }) => text).join('-') },
      source: 'secondary:small',
    }),
  };

  it('passes through', async () => {
    const { client } = await setUp({ keyBy: perKey(({ request }) => (request as Message).text) });
    expect((await send(client, ['a', 'b'])).value?.text).toBe('echo a+b');
  });

  it('is rejected, its writer never hangs', async () => {
    const { client, guard } = await setUp();
    using _held = guard.circuit(echoService.clientStream).isolate();
    expect(circuitRejectionOf((await send(client, ['a', 'b'])).error)?.reason).toBe('ISOLATED');
  });

  it('passes all that was sent to its fallback, when rejected', async () => {
    const { client, guard } = await setUp({ fallbacks: registry('clientStream', joined) });
    using _held = guard.circuit(echoService.clientStream).isolate();
    expect((await send(client, ['a', 'b', 'c'])).value?.text).toBe('a-b-c');
  });

  it('passes all that was sent to its fallback, when it fails in the middle', async () => {
    const { client, server } = await setUp({ fallbacks: registry('clientStream', joined) });
    server.handlers.clientStream = (call, callback) =>
      void call.once('data', () => callback(error(status.UNAVAILABLE)));
    expect((await send(client, ['a', 'b', 'c'])).value?.text).toBe('a-b-c');
  });

  it('passes nothing to its fallback past the byte limit', async () => {
    const { client, guard } = await setUp({
      fallbacks: registry('clientStream', joined),
      fallbackBufferBytes: 30,
    });
    using _held = guard.circuit(echoService.clientStream).isolate();
    expect((await send(client, ['a'])).value?.text).toBe('a');
    expect((await send(client, ['a', 'b', 'c'])).value?.text).toBe('');
  });

  it('that is rejected and never finished ends at its deadline', async () => {
    const { client, guard } = await setUp({
      fallbacks: registry('clientStream', { ...joined, answer: () => undefined }),
    });
    using _held = guard.circuit(echoService.clientStream).isolate();
    const failed = await new Promise<ServiceError | null>((resolve) => {
      const call = client.clientStream(new Metadata(), { deadline: Date.now() + 40 }, resolve);
      call.write({ text: 'a' });
    });
    expect(circuitRejectionOf(failed)?.reason).toBe('ISOLATED');
  });

  it('that is rejected can be cancelled while it is sent', async () => {
    const { client, guard } = await setUp({ fallbacks: registry('clientStream', joined) });
    using _held = guard.circuit(echoService.clientStream).isolate();
    const failed = await new Promise<ServiceError | null>((resolve) => {
      const call = client.clientStream(new Metadata(), {}, resolve);
      call.write({ text: 'a' }, () => call.cancel());
    });
    expect(failed?.code).toBe(status.CANCELLED);
  });
});

describe('a bidirectional stream', () => {
  it('passes through, key from the first message', async () => {
    const { client, guard } = await setUp({
      keyBy: perKey(({ request }) => (request as Message | undefined)?.text),
    });
    const call = client.bidi(new Metadata(), {});
    const ended = collect(call);
    call.write({ text: 'a' });
    call.end();
    expect((await ended).texts).toEqual(['echo a']);
    expect(guard.circuit(echoService.bidi, 'a').snapshot().totals.outcomes.success).toBe(1);
  });

  it('in which the server speaks first has the circuit of the method, and does not wait', async () => {
    const { client, server, guard } = await setUp({
      keyBy: perKey(({ request }) => (request as Message | undefined)?.text),
    });
    server.handlers.bidi = (call) => {
      call.write({ text: 'welcome' });
      call.on('data', () => call.end());
    };
    const call = client.bidi(new Metadata(), {});
    const ended = collect(call);
    call.once('data', () => call.end({ text: 'a' }));
    expect((await ended).texts).toEqual(['welcome']);
    expect(guard.circuit(echoService.bidi).snapshot().totals.outcomes.success).toBe(1);
  });

  it('falls back while no message was delivered', async () => {
    const fallbacks = registry('bidi', {
      name: 'default',
      answer: ({ requests }) => ({
        message: [{ text: `${requests.length} sent` }, { text: 'bye' }],
        source: 'default',
      }),
    });
    const { client, guard } = await setUp({ fallbacks });
    using _held = guard.circuit(echoService.bidi).isolate();
    const call = client.bidi(new Metadata(), {});
    const ended = collect(call);
    call.write({ text: 'a' });
    expect((await ended).texts).toEqual(['1 sent', 'bye']);
    expect((await ended).status.code).toBe(status.OK);
  });

  it('in which the caller waits for nothing is not stuck', async () => {
    const clock = new ManualClock();
    const { client, server, guard } = await setUp({ clock, firstMessageTimeoutMs: 500, stallTimeoutMs: 500 });
    const call = client.bidi(new Metadata(), {});
    const ended = collect(call);
    await expect.poll(() => server.calls.count).toBe(1); // it runs, and its reader waits
    clock.advance(800); // longer than what would end it
    call.write({ text: 'a' });
    call.end();
    expect((await ended).texts).toEqual(['echo a']);
    expect(guard.circuit(echoService.bidi).snapshot().totals.outcomes.success).toBe(1);
  });
});
