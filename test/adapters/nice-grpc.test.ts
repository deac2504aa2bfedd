import { AsyncLocalStorage } from 'node:async_hooks';
import { status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  type GuardOptions,
  guardChannel,
  lastGood,
  type Provenance,
} from 'failsoft';
import { type GuardMiddlewareOptions, guardMiddleware, methodsOf } from 'failsoft/nice-grpc';
import { ManualClock } from 'failsoft/testing';
import {
  type Channel,
  type Client,
  ClientError,
  type ClientMiddleware,
  createChannel,
  createClientFactory,
  Metadata,
} from 'nice-grpc';
import { deadlineMiddleware } from 'nice-grpc-client-middleware-deadline';
import { retryMiddleware } from 'nice-grpc-client-middleware-retry';
import { describe, expect, it, onTestFinished } from 'vitest';
import { echoService, type Handlers, type Message, startEchoServer } from '../support/echo-service.js';
import { inFull } from '../support/long.js';
import { uncaughtErrors } from '../support/uncaught.js';

/** The flags as literals, as generators write them: nice-grpc types its clients by them. */
const kind = <In extends boolean, Out extends boolean>(requestStream: In, responseStream: Out) => ({
  requestStream,
  responseStream,
});
const definition = {
  unary: { ...echoService.unary, ...kind(false, false) },
  clientStream: { ...echoService.clientStream, ...kind(true, false) },
  serverStream: { ...echoService.serverStream, ...kind(false, true) },
  bidi: { ...echoService.bidi, ...kind(true, true) },
};
type EchoService = typeof definition;
const methods = methodsOf(definition);
const DOWN = { code: status.UNAVAILABLE, details: 'down' };

const failing: Handlers = {
  unary: (_call, callback) => callback(DOWN),
  clientStream: (call, callback) => {
    call.resume();
    callback(DOWN);
  },
  serverStream: (call) => void call.emit('error', DOWN),
  bidi: (call) => void call.emit('error', DOWN),
};

async function setUp(handlers: Partial<Handlers> = {}) {
  const server = await startEchoServer(handlers);
  const channel = createChannel(server.address, undefined, { 'grpc.use_local_subchannel_pool': 1 });
  onTestFinished(() => {
    channel.close();
    server.close();
  });
  return { server, channel, healthy: { ...server.handlers } };
}

const makeGuard = (options: GuardOptions = {}) =>
  createGuard({ circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false }, ...options });

const ways: Record<string, (channel: Channel, guard: Guard) => Client<EchoService>> = {
  guardChannel: (channel, guard) =>
    createClientFactory().create(definition, guardChannel(channel, guard, methods)),
  guardMiddleware: (channel, guard) =>
    createClientFactory().use(guardMiddleware(guard)).create(definition, channel),
};

async function* requests(...texts: string[]): AsyncGenerator<Message> {
  for (const text of texts) yield { text };
}

async function textsOf(stream: AsyncIterable<Message>): Promise<string> {
  const texts: string[] = [];
  for await (const { text } of stream) texts.push(text);
  return texts.join(', ');
}

/** A call of each kind, as one text. */
const kinds: Record<string, (client: Client<EchoService>, signal?: AbortSignal) => Promise<string>> = {
  unary: async (client, signal) => (await client.unary({ text: 'a' }, { ...(signal && { signal }) })).text,
  clientStream: async (client, signal) =>
    (await client.clientStream(requests('a', 'b'), { ...(signal && { signal }) })).text,
  serverStream: (client, signal) =>
    textsOf(client.serverStream({ text: 'a' }, { ...(signal && { signal }) })),
  bidi: (client, signal) => textsOf(client.bidi(requests('a', 'b'), { ...(signal && { signal }) })),
};
const good: Record<string, string> = {
  unary: 'echo a',
  clientStream: 'echo a+b',
  serverStream: 'a 0, a 1, a 2',
  bidi: 'echo a, echo b',
};

const canned = () => {
  const registry = new FallbackRegistry();
  for (const method of Object.values(methods))
    registry.register(method, [
      {
        name: 'canned',
        answer: ({ requests: sent }) => {
          const text = `canned for ${sent.map((each) => each.text).join('+')}`;
          return { message: method.responseStream ? [{ text }] : { text }, source: 'canned' };
        },
      },
    ]);
  return registry;
};

describe.each(Object.entries(ways))('%s', (_way, client) => {
  it.each(Object.entries(kinds))('guards %s: healthy, failing, open, recovered', async (kind, call) => {
    const { server, channel, healthy } = await setUp();
    const clock = new ManualClock();
    const guard = makeGuard({ clock });
    const nice = client(channel, guard);
    const circuit = guard.circuit(`/test.Echo/${kind.charAt(0).toUpperCase()}${kind.slice(1)}`);
    expect(await call(nice)).toBe(good[kind]);
    Object.assign(server.handlers, failing);
    for (let n = 0; n < 2; n++) await expect(call(nice)).rejects.toMatchObject({ code: 14 });
    expect(circuit.state).toBe('open');
    const reached = server.calls.count;
    const error: unknown = await call(nice).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClientError);
    expect(error).toMatchObject({ code: 14, details: expect.stringContaining('circuit open') });
    expect(server.calls.count).toBe(reached);
    Object.assign(server.handlers, healthy);
    clock.advance(60_000);
    expect(await call(nice)).toBe(good[kind]);
    expect(circuit.snapshot()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  it.each(Object.entries(kinds))('answers %s from its chain', async (kind, call) => {
    const { channel } = await setUp(failing);
    const guard = makeGuard({ fallbacks: canned() });
    const nice = client(channel, guard);
    const sources: string[] = [];
    guard.on('degraded', ({ source, cause }) => sources.push(`${source} ${cause}`));
    for (let n = 0; n < 3; n++) expect(await call(nice)).toContain(`canned for`);
    if (kind === 'clientStream') expect(await call(nice)).toBe('canned for a+b');
    else if (kind !== 'bidi') expect(await call(nice)).toBe('canned for a');
    expect(sources.slice(0, 3)).toEqual(['canned UNAVAILABLE', 'canned UNAVAILABLE', 'canned CIRCUIT_OPEN']);
  });

  it('ignores a caller that cancels', async () => {
    const { channel } = await setUp({ unary: () => {}, serverStream: () => {} });
    const guard = makeGuard();
    const nice = client(channel, guard);
    for (const kind of ['unary', 'serverStream'] as const) {
      const controller = new AbortController();
      const ended = kinds[kind]?.(nice, controller.signal);
      const circuit = guard.circuit(kind === 'unary' ? methods.unary : methods.serverStream);
      await expect.poll(() => circuit.inFlight).toBe(1);
      controller.abort();
      await expect(ended).rejects.toMatchObject({ name: 'AbortError' });
      await expect
        .poll(() => circuit.snapshot())
        .toMatchObject({ inFlight: 0, totals: { outcomes: { ignored: 1, failure: 0 } } });
    }
  });

  it('gives the permit back when a stream is left', async () => {
    const { channel } = await setUp();
    const guard = makeGuard();
    for await (const _ of client(channel, guard).serverStream({ text: 'a' })) break;
    await expect.poll(() => guard.circuit(methods.serverStream).inFlight).toBe(0);
  });

  it('makes a thousand calls at once, keeps their async contexts, and leaves no error uncaught', async () => {
    const closers: (() => unknown)[] = [];
    const uncaught = uncaughtErrors(closers);
    onTestFinished(() => {
      for (const close of closers) close();
    });
    const { channel } = await setUp({
      unary: (call, callback) =>
        Number(call.request.text) % 3 === 0 ? callback(DOWN) : callback(null, { text: call.request.text }),
    });
    const storage = new AsyncLocalStorage<number>();
    const guard = makeGuard({ circuit: { mode: 'observe' } });
    const nice = client(channel, guard);
    const ends = await Promise.all(
      Array.from({ length: inFull(1000, 200) }, (_, n) =>
        storage.run(n, async () => {
          const end = await nice.unary({ text: `${n}` }).then(
            ({ text }) => text,
            () => 'failed',
          );
          return [storage.getStore(), end];
        }),
      ),
    );
    expect(ends).toEqual(ends.map((_, n) => [n, n % 3 === 0 ? 'failed' : `${n}`]));
    expect(guard.circuit(methods.unary).inFlight).toBe(0);
    expect(uncaught).toEqual([]);
  });
});

describe('guardMiddleware', () => {
  const withAll = (channel: Channel, guard: Guard) =>
    createClientFactory()
      .use(retryMiddleware)
      .use(deadlineMiddleware)
      .use(guardMiddleware(guard))
      .create(definition, channel);

  it('stands outside the retries, and counts a call once', async () => {
    const { server, channel } = await setUp(failing);
    const guard = makeGuard();
    const retried = { retry: true, retryMaxAttempts: 2, retryBaseDelayMs: 1, retryMaxDelayMs: 2 };
    await expect(withAll(channel, guard).unary({ text: 'a' }, retried)).rejects.toMatchObject({ code: 14 });
    expect(server.calls.count).toBe(3);
    expect(guard.circuit(methods.unary).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('keeps a part of the deadline for fallbacks', async () => {
    const { channel } = await setUp({ unary: () => {} });
    const guard = makeGuard({ fallbacks: canned(), fallbackReserveMs: 100 });
    const heard: Provenance[] = [];
    let header = Metadata();
    const startedAt = performance.now();
    const answer = await withAll(channel, guard).unary(
      { text: 'a' },
      {
        deadline: 200,
        failsoft: { onProvenance: (provenance) => heard.push(provenance) },
        onHeader: (given) => {
          header = given;
        },
      },
    );
    expect(answer).toEqual({ text: 'canned for a' });
    expect(performance.now() - startedAt).toBeGreaterThan(95);
    expect(heard).toEqual([
      expect.objectContaining({ source: 'canned', cause: 'DEADLINE_EXCEEDED', degraded: true }),
    ]);
    expect(header.get('failsoft-source')).toBe('canned');
  });

  it('loses no answer when onProvenance or onHeader throws', async () => {
    const { channel } = await setUp(failing);
    const guard = makeGuard({ fallbacks: canned() });
    const bug = () => {
      throw new Error('a bug');
    };
    const answer = await withAll(channel, guard).unary(
      { text: 'a' },
      { failsoft: { onProvenance: bug }, onHeader: bug },
    );
    expect(answer).toEqual({ text: 'canned for a' });
  });

  it('is a ClientError at the deadline, also without the deadline middleware', async () => {
    const { channel } = await setUp({ unary: () => {} });
    const guard = makeGuard({ minimumDeadlineMs: 0 });
    for (const nice of [
      withAll(channel, guard),
      createClientFactory().use(guardMiddleware(guard)).create(definition, channel),
    ]) {
      const call = nice.unary({ text: 'a' }, { deadline: new Date(Date.now() + 400) });
      await expect(call).rejects.toBeInstanceOf(ClientError);
    }
    expect(guard.circuit(methods.unary).snapshot().totals.outcomes.failure).toBe(2);
  });

  it("takes the server's push-back from the trailers, which a ClientError does not have", async () => {
    const clock = new ManualClock();
    const { channel } = await setUp({
      unary: (call, callback) => {
        const trailer = call.metadata.clone();
        trailer.set('grpc-retry-pushback-ms', '30000');
        callback({ ...DOWN, metadata: trailer });
      },
    });
    const guard = makeGuard({
      clock,
      circuit: { trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 1_000, jitter: 'none' } },
    });
    const nice = withAll(channel, guard);
    await expect(nice.unary({ text: 'a' })).rejects.toMatchObject({ code: 14 });
    const error: unknown = await nice.unary({ text: 'a' }).catch((thrown: unknown) => thrown);
    expect(circuitRejectionOf(error)).toMatchObject({ reason: 'CIRCUIT_OPEN', retryAfterMs: 30_000 });
  });

  it('keeps the answers of different callers apart', async () => {
    const { server, channel } = await setUp();
    const guard = makeGuard({ fallbacks: new FallbackRegistry().register(methods.unary, [lastGood()]) });
    const middleware = guardMiddleware(guard, { sendsAsGiven: true });
    const nice = createClientFactory().use(middleware).create(definition, channel);
    const as = (token: string) => ({ metadata: Metadata({ authorization: token }) });
    await nice.unary({ text: 'a' }, as('ada'));
    Object.assign(server.handlers, failing);
    expect(await nice.unary({ text: 'a' }, as('ada'))).toEqual({ text: 'echo a' });
    await expect(nice.unary({ text: 'a' }, as('eve'))).rejects.toMatchObject({ code: 14 });
  });

  it('answers a slow call from its chain, and keeps the late answer', async () => {
    const late: (() => void)[] = [];
    const { channel } = await setUp({
      unary: (call, callback) => {
        late.push(() => {
          call.sendMetadata(call.metadata);
          callback(null, { text: 'late' });
        });
      },
    });
    const clock = new ManualClock();
    const chain = [lastGood<Message, Message>(), defaultPrediction<Message, Message>({ text: 'default' })];
    const fallbacks = new FallbackRegistry().register(methods.unary, chain);
    const guard = makeGuard({ clock, fallbacks, fallbackAfterMs: 50 });
    const circuit = guard.circuit(methods.unary);
    let innerEnded = 0;
    const behind: ClientMiddleware = async function* (call, options) {
      try {
        return yield* call.next(call.request, options);
      } finally {
        innerEnded++;
      }
    };
    const nice = createClientFactory()
      .use(behind)
      .use(guardMiddleware(guard, { sendsAsGiven: true }))
      .create(definition, channel);
    const seen: unknown[] = [];
    const given = (token: string) => ({
      metadata: Metadata({ authorization: token }),
      onHeader: (header: Metadata) =>
        void seen.push([header.get('failsoft-source'), header.get('failsoft-cause')]),
      onTrailer: () => void seen.push('trailer'),
    });
    const controller = new AbortController();
    const slow = nice.unary({ text: 'a' }, { ...given('ada'), signal: controller.signal });
    while (late.length === 0) await new Promise(setImmediate);
    clock.advance(50);
    expect(await slow).toEqual({ text: 'default' });
    expect({ seen, innerEnded, inFlight: circuit.inFlight }).toEqual({
      seen: [['default', 'slow']],
      innerEnded: 0,
      inFlight: 1,
    });
    controller.abort(); // the caller has its answer
    late[0]?.();
    await expect.poll(() => circuit.snapshot().totals.outcomes.success).toBe(1);
    expect({ seen: seen.length, innerEnded, inFlight: circuit.inFlight }).toEqual({
      seen: 1,
      innerEnded: 1,
      inFlight: 0,
    });
    using _held = circuit.isolate();
    expect(await nice.unary({ text: 'a' }, given('ada'))).toEqual({ text: 'late' });
    expect(await nice.unary({ text: 'a' }, given('eve'))).toEqual({ text: 'default' });
  });

  it('answers a slow client stream from its chain once its caller has sent everything', async () => {
    const late: (() => void)[] = [];
    const { channel } = await setUp({
      clientStream: (call, callback) => {
        call.resume();
        call.on('end', () => late.push(() => callback(null, { text: 'late' })));
      },
    });
    const clock = new ManualClock();
    const guard = makeGuard({ clock, fallbacks: canned(), fallbackAfterMs: 50 });
    const nice = createClientFactory().use(guardMiddleware(guard)).create(definition, channel);
    const slow = nice.clientStream(requests('a', 'b'));
    while (late.length === 0) await new Promise(setImmediate);
    clock.advance(50);
    expect(await slow).toEqual({ text: 'canned for a+b' });
    late[0]?.();
    const circuit = guard.circuit(methods.clientStream);
    await expect.poll(() => circuit.snapshot().totals.outcomes.success).toBe(1);
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
  });

  it.each<[string, unknown[]]>([
    ['guard', [{}]],
    ['options.target', [makeGuard(), { target: 1 }]],
    ['options.target', [makeGuard(), { target: 'a#b' }]],
    ['options.sendsAsGiven', [makeGuard(), { sendsAsGiven: 'yes' }]],
    ['options.x', [makeGuard(), { x: 1 }]],
  ])('names the bad %s', (field, args) => {
    expect(() => Reflect.apply(guardMiddleware, undefined, args)).toThrow(field);
  });
});

describe('a middleware behind the guard that sends another token', () => {
  const inPlace: ClientMiddleware = async function* (call, options) {
    options.metadata?.set('authorization', 'service');
    return yield* call.next(call.request, options);
  };
  const anew: ClientMiddleware = async function* (call, options) {
    return yield* call.next(call.request, { ...options, metadata: Metadata({ authorization: 'service' }) });
  };
  const asItIs: ClientMiddleware = async function* (call, options) {
    return yield* call.next(call.request, options);
  };

  /** Has a good answer, and then a call while the server fails. */
  async function keptBehind(behind: ClientMiddleware, options: GuardMiddlewareOptions, vary?: string[]) {
    const { server, channel } = await setUp();
    const keeper = lastGood<Message, Message>(vary === undefined ? {} : { vary });
    const guard = makeGuard({ fallbacks: new FallbackRegistry().register(methods.unary, [keeper]) });
    const nice = createClientFactory()
      .use(behind)
      .use(guardMiddleware(guard, options))
      .create(definition, channel);
    const tokens: unknown[] = [];
    server.handlers.unary = (call, callback) => {
      tokens.push(...call.metadata.get('authorization'));
      callback(null, { text: 'good' });
    };
    const warnings: unknown[] = [];
    guard.on('warning', ({ error }) => warnings.push(error));
    const given = Metadata({ authorization: 'ada' });
    await nice.unary({ text: 'a' }, { metadata: given });
    expect(given.get('authorization')).toBe('ada');
    Object.assign(server.handlers, failing);
    const again = await nice.unary({ text: 'a' }, { metadata: given }).catch(() => undefined);
    const { kept, skipped } = keeper.stats();
    expect(again?.text).toBe(kept === 1 ? 'good' : undefined);
    return { kept, skipped, tokens, warnings };
  }

  it.each([
    ['in the metadata it is given', inPlace, {}, 'unknownCaller'],
    ['in new metadata', anew, {}, 'unknownCaller'],
    ['in the metadata it is given, against the statement', inPlace, { sendsAsGiven: true }, 'otherCaller'],
  ] as const)('costs the answer, and not the caller’s metadata: %s', async (_, behind, options, reason) => {
    const { kept, skipped, tokens } = await keptBehind(behind, options);
    expect({ kept, tokens }).toEqual({ kept: 0, tokens: ['service'] });
    expect(skipped).toMatchObject({ [reason]: 1 });
  });

  it('cannot be told from one that sends the caller’s, except by the user’s statement', async () => {
    const unstated = await keptBehind(asItIs, {});
    expect(unstated).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
    expect(unstated.warnings).toEqual([expect.stringContaining('sendsAsGiven: true')]);
    const stated = await keptBehind(asItIs, { sendsAsGiven: true });
    expect(stated).toMatchObject({ kept: 1, warnings: [] });
  });

  it('does not matter where callers share answers', async () => {
    expect(await keptBehind(anew, {}, [])).toMatchObject({ kept: 1, warnings: [] });
  });
});

describe('guardChannel', () => {
  const sign: ClientMiddleware = async function* (call, options) {
    return yield* call.next(call.request, { ...options, metadata: Metadata({ authorization: 'service' }) });
  };

  it('keeps an answer for the token that is given to the channel, though a middleware has set it', async () => {
    const { server, channel } = await setUp();
    const keeper = lastGood<Message, Message>();
    const guard = makeGuard({ fallbacks: new FallbackRegistry().register(methods.unary, [keeper]) });
    const guarded = guardChannel(channel, guard, methods);
    const nice = createClientFactory().use(sign).create(definition, guarded);
    await nice.unary({ text: 'a' }, { metadata: Metadata({ authorization: 'ada' }) });
    expect(keeper.stats()).toMatchObject({ kept: 1 });
    Object.assign(server.handlers, failing);
    expect(await nice.unary({ text: 'a' })).toEqual({ text: 'echo a' });
    const plain = createClientFactory().create(definition, guarded);
    const asAda = plain.unary({ text: 'a' }, { metadata: Metadata({ authorization: 'ada' }) });
    await expect(asAda).rejects.toMatchObject({ code: 14 });
  });

  it('keeps no answer where another interceptor stands behind the one of the guard', async () => {
    const { channel } = await setUp();
    const keeper = lastGood<Message, Message>();
    const guard = makeGuard({ fallbacks: new FallbackRegistry().register(methods.unary, [keeper]) });
    const composed: Guard['interceptor'] = (options, nextCall) =>
      guard.interceptor(options, (below) => nextCall({ ...below, host: 'tenant-b' }));
    const both = { interceptor: composed, forTarget: () => composed };
    const nice = createClientFactory().create(definition, guardChannel(channel, both, methods));
    expect(await nice.unary({ text: 'a' })).toEqual({ text: 'echo a' });
    expect(keeper.stats()).toMatchObject({ kept: 0, skipped: { unknownCaller: 1 } });
  });

  it('guards no method without a definition', async () => {
    const { channel } = await setUp();
    const guard = makeGuard();
    const nice = createClientFactory().create(definition, guardChannel(channel, guard, methods.bidi));
    expect(await kinds.unary?.(nice)).toBe('echo a');
    expect(guard.snapshots()).toEqual([]);
    expect(await kinds.bidi?.(nice)).toBe('echo a, echo b');
    expect(guard.snapshots()).toHaveLength(1);
  });

  it('ends a call whose messages the definition cannot decode', async () => {
    const { channel } = await setUp();
    const broken = {
      ...methods.unary,
      responseDeserialize: () => {
        throw new Error('not such a message');
      },
    };
    const nice = createClientFactory().create(definition, guardChannel(channel, makeGuard(), broken));
    await expect(kinds.unary?.(nice)).rejects.toMatchObject({ code: status.INTERNAL });
  });

  it.each<[string, unknown[]]>([
    ['createCall', [{}, makeGuard(), methods]],
    ['guard', [{ createCall: () => {} }, {}, methods]],
    ['definitions', [{ createCall: () => {} }, makeGuard(), {}]],
    ['definitions', [{ createCall: () => {} }, makeGuard(), { a: 1 }]],
    ['options.targt', [{ createCall: () => {} }, makeGuard(), methods, { targt: '' }]],
  ])('names the bad %s', (field, args) => {
    expect(() => Reflect.apply(guardChannel, undefined, args)).toThrow(field);
  });
});
