import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, createFileRegistry } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValue,
  StringValueSchema,
} from '@bufbuild/protobuf/wkt';
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
  type ServiceImpl,
  type Transport,
} from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  type GuardOptions,
  lastGood,
} from 'failsoft';
import { connectMethod, type GuardInterceptorOptions, guardInterceptor } from 'failsoft/connect';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inFull } from '../support/long.js';
import { uncaughtErrors } from '../support/uncaught.js';

type Text = typeof StringValueSchema;
type EchoService = GenService<{
  unary: { methodKind: 'unary'; input: Text; output: Text };
  clientStream: { methodKind: 'client_streaming'; input: Text; output: Text };
  serverStream: { methodKind: 'server_streaming'; input: Text; output: Text };
  bidi: { methodKind: 'bidi_streaming'; input: Text; output: Text };
}>;

/** A service as protoc-gen-es would generate it. */
function echoService(): EchoService {
  const type = '.google.protobuf.StringValue';
  const method = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
    name,
    inputType: type,
    outputType: type,
    clientStreaming,
    serverStreaming,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: 'echo.proto',
    package: 'test',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [
      {
        name: 'Echo',
        method: [
          method('Unary', false, false),
          method('ClientStream', true, false),
          method('ServerStream', false, true),
          method('Bidi', true, true),
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, () => file_google_protobuf_wrappers);
  return registry.getService('test.Echo') as unknown as EchoService;
}

const Echo = echoService();
const text = (value: string) => create(StringValueSchema, { value });
type Impl = Required<ServiceImpl<EchoService>>;

const healthy: Impl = {
  unary: (request) => text(`echo ${request.value}`),
  clientStream: async (requests) => text(`echo ${await joined(requests)}`),
  serverStream: async function* (request) {
    for (let n = 0; n < 3; n++) yield text(`${request.value} ${n}`);
  },
  bidi: async function* (requests) {
    for await (const { value } of requests) yield text(`echo ${value}`);
  },
};
const fail = () => {
  throw new ConnectError('down', Code.Unavailable);
};
const failing: Impl = {
  unary: fail,
  clientStream: fail,
  // biome-ignore lint/correctness/useYield: it fails before
  serverStream: async function* () {
    fail();
  },
  // biome-ignore lint/correctness/useYield: it fails before
  bidi: async function* () {
    fail();
  },
};

async function joined(requests: AsyncIterable<StringValue>): Promise<string> {
  const values: string[] = [];
  for await (const { value } of requests) values.push(value);
  return values.join('+');
}

async function serve(first: Impl = healthy) {
  const state = { impl: first, calls: 0, url: '' };
  const called = <T>(given: T): T => {
    state.calls++;
    return given;
  };
  const server = createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(Echo, {
          unary: (request, context) => called(state.impl).unary(request, context),
          clientStream: (requests, context) => called(state.impl).clientStream(requests, context),
          serverStream: (request, context) => called(state.impl).serverStream(request, context),
          bidi: (requests, context) => called(state.impl).bidi(requests, context),
        }),
    }),
  );
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

const transports: Record<string, (baseUrl: string, guard: Guard) => Transport> = {
  gRPC: (baseUrl, guard) => createGrpcTransport({ baseUrl, interceptors: [guardInterceptor(guard)] }),
  'gRPC-Web': (baseUrl, guard) =>
    createGrpcWebTransport({ baseUrl, httpVersion: '2', interceptors: [guardInterceptor(guard)] }),
  Connect: (baseUrl, guard) =>
    createConnectTransport({ baseUrl, httpVersion: '2', interceptors: [guardInterceptor(guard)] }),
};

const makeGuard = (options: GuardOptions = {}) =>
  createGuard({ circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false }, ...options });

async function* requests(...values: string[]) {
  for (const value of values) yield { value };
}

const kinds: Record<string, (client: Client<EchoService>) => Promise<string>> = {
  Unary: async (client) => (await client.unary({ value: 'a' })).value,
  ClientStream: async (client) => (await client.clientStream(requests('a', 'b'))).value,
  ServerStream: (client) => joined(client.serverStream({ value: 'a' })),
  Bidi: (client) => joined(client.bidi(requests('a', 'b'))),
};
const good: Record<string, string> = {
  Unary: 'echo a',
  ClientStream: 'echo a+b',
  ServerStream: 'a 0+a 1+a 2',
  Bidi: 'echo a+echo b',
};

const canned = () => {
  const registry = new FallbackRegistry();
  for (const method of Object.values(Echo.method).map(connectMethod))
    registry.register(method, [
      {
        name: 'canned',
        answer: ({ requests: sent }) => {
          const message = text(`canned for ${sent.map((each) => each.value).join('+')}`);
          return { message: method.responseStream ? [message] : message, source: 'canned' };
        },
      },
    ]);
  return registry;
};

describe.each(Object.entries(transports))('guardInterceptor over %s', (_protocol, transport) => {
  it('answers a slow client stream from its chain once its caller has sent everything', async () => {
    const late: (() => void)[] = [];
    const server = await serve({
      ...healthy,
      clientStream: async (sent) => {
        await joined(sent);
        await new Promise<void>((resolve) => {
          late.push(resolve);
        });
        return text('late');
      },
    });
    const clock = new ManualClock();
    const guard = makeGuard({ clock, fallbacks: canned(), fallbackAfterMs: 50 });
    const client = createClient(Echo, transport(server.url, guard));
    const slow = client.clientStream(requests('a', 'b'));
    while (late.length === 0) await new Promise(setImmediate);
    clock.advance(50);
    expect((await slow).value).toBe('canned for a+b');
    late[0]?.();
    const circuit = guard.circuit('/test.Echo/ClientStream');
    await expect.poll(() => circuit.snapshot().totals.outcomes.success).toBe(1);
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
  });

  it.each(Object.entries(kinds))('guards %s: healthy, failing, open, recovered', async (kind, call) => {
    const server = await serve();
    const clock = new ManualClock();
    const guard = makeGuard({ clock });
    const client = createClient(Echo, transport(server.url, guard));
    const circuit = guard.circuit(`/test.Echo/${kind}`);
    expect(await call(client)).toBe(good[kind]);
    server.impl = failing;
    for (let n = 0; n < 2; n++) await expect(call(client)).rejects.toMatchObject({ code: Code.Unavailable });
    expect(circuit.state).toBe('open');
    const reached = server.calls;
    const error: unknown = await call(client).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({
      code: Code.Unavailable,
      details: [{ type: 'google.rpc.ErrorInfo' }, { type: 'google.rpc.RetryInfo' }],
    });
    expect(circuitRejectionOf(error)).toMatchObject({ circuitKey: circuit.key, reason: 'CIRCUIT_OPEN' });
    expect(server.calls).toBe(reached);
    server.impl = healthy;
    clock.advance(60_000);
    expect(await call(client)).toBe(good[kind]);
    expect(circuit.snapshot()).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  it.each(Object.entries(kinds))('answers %s from its chain', async (kind, call) => {
    const server = await serve(failing);
    const guard = makeGuard({ fallbacks: canned() });
    const client = createClient(Echo, transport(server.url, guard));
    for (let n = 0; n < 3; n++) expect(await call(client)).toContain('canned for');
    if (kind === 'ClientStream') expect(await call(client)).toBe('canned for a+b');
    expect(guard.circuit(`/test.Echo/${kind}`).state).toBe('open');
  });

  it('keeps a part of the deadline for fallbacks, and sends the server the rest', async () => {
    const clock = new ManualClock();
    const limits: (number | undefined)[] = [];
    const server = await serve({
      ...healthy,
      unary: (_request, { timeoutMs, signal }) => {
        limits.push(timeoutMs());
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    const guard = makeGuard({ clock, fallbacks: canned(), fallbackReserveMs: 40_000 });
    let header = new Headers();
    const answered = createClient(Echo, transport(server.url, guard)).unary(
      { value: 'a' },
      {
        timeoutMs: 100_000,
        onHeader: (given) => {
          header = given;
        },
      },
    );
    await expect.poll(() => limits.length).toBe(1);
    expect(limits[0]).toBeLessThanOrEqual(60_000);
    clock.advance(60_000);
    expect((await answered).value).toBe('canned for a');
    expect(header.get('failsoft-source')).toBe('canned');
    expect(header.get('failsoft-cause')).toBe('DEADLINE_EXCEEDED');
  });

  it('counts a time-out, and ignores a caller that cancels', async () => {
    const server = await serve({ ...healthy, unary: () => new Promise(() => {}) });
    // 0: a server that got no time, because this process stood still after the transport's timer began, is blamed, too
    const guard = makeGuard({ minimumDeadlineMs: 0 });
    const client = createClient(Echo, transport(server.url, guard));
    const circuit = guard.circuit('/test.Echo/Unary');
    await expect(client.unary({ value: 'a' }, { timeoutMs: 250 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1, ignored: 0 });
    const controller = new AbortController();
    const cancelled = client.unary({ value: 'a' }, { signal: controller.signal });
    await expect.poll(() => circuit.inFlight).toBe(1);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: Code.Canceled });
    await expect.poll(() => circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1, ignored: 1 });
  });

  it('gives the permit of a stream back when it is cancelled, or idle', async () => {
    const server = await serve();
    const clock = new ManualClock();
    const guard = makeGuard({ clock });
    const client = createClient(Echo, transport(server.url, guard));
    const circuit = guard.circuit('/test.Echo/ServerStream');
    // connect-es gives no sign when a loop over a stream is left
    for await (const _ of client.serverStream({ value: 'a' })) break;
    expect(circuit.inFlight).toBe(1);
    clock.advance(60_001);
    expect(circuit.inFlight).toBe(0);
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of client.serverStream({ value: 'a' }, { signal: controller.signal }))
        controller.abort();
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Canceled });
    await expect.poll(() => circuit.inFlight).toBe(0);
  });

  it('makes many calls at once, and leaves nothing behind', async () => {
    const closers: (() => unknown)[] = [];
    const uncaught = uncaughtErrors(closers);
    onTestFinished(() => {
      for (const close of closers) close();
    });
    const server = await serve({
      ...healthy,
      unary: ({ value }) => (Number(value) % 3 === 0 ? fail() : text(value)),
    });
    const guard = makeGuard({ circuit: { mode: 'observe' } });
    const client = createClient(Echo, transport(server.url, guard));
    const ends = await Promise.all(
      Array.from({ length: inFull(1000, 100) }, (_, n) =>
        client.unary({ value: `${n}` }).then(
          ({ value }) => value,
          () => 'failed',
        ),
      ),
    );
    expect(ends).toEqual(ends.map((_, n) => (n % 3 === 0 ? 'failed' : `${n}`)));
    expect(guard.circuit('/test.Echo/Unary').inFlight).toBe(0);
    expect(uncaught).toEqual([]);
  });
});

describe('guardInterceptor', () => {
  it('keeps the answers of different callers apart, and has options for a call', async () => {
    const server = await serve();
    const guard = makeGuard({
      fallbacks: new FallbackRegistry().register(connectMethod(Echo.method.unary), [lastGood()]),
    });
    const transport = createGrpcTransport({
      baseUrl: server.url,
      interceptors: [
        guardInterceptor(guard, {
          sendsAsGiven: true,
          callOptions: ({ header }) => (header.has('no-fallback') ? { fallback: false } : undefined),
        }),
      ],
    });
    const client = createClient(Echo, transport);
    const as = (authorization: string, more: Record<string, string> = {}) => ({
      headers: { authorization, ...more },
    });
    await client.unary({ value: 'a' }, as('ada'));
    server.impl = failing;
    expect((await client.unary({ value: 'a' }, as('ada'))).value).toBe('echo a');
    await expect(client.unary({ value: 'a' }, as('eve'))).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(client.unary({ value: 'a' }, as('ada', { 'no-fallback': '1' }))).rejects.toThrow();
  });

  it.each<
    [string, (options: { baseUrl: string; httpVersion: '2'; interceptors: Interceptor[] }) => Transport]
  >([
    ['gRPC', createGrpcTransport],
    ['gRPC-Web', createGrpcWebTransport],
    ['Connect', createConnectTransport],
  ])('answers a slow call over %s from its chain, and keeps the late answer', async (_protocol, create) => {
    const late: (() => void)[] = [];
    const server = await serve({
      ...healthy,
      unary: () =>
        new Promise((resolve) => {
          late.push(() => resolve(text('late')));
        }),
    });
    const clock = new ManualClock();
    const chain = [lastGood<StringValue, StringValue>(), defaultPrediction(text('default'))];
    const fallbacks = new FallbackRegistry().register(connectMethod(Echo.method.unary), chain);
    const guard = makeGuard({ clock, fallbacks, fallbackAfterMs: 50 });
    const circuit = guard.circuit('/test.Echo/Unary');
    const interceptors = [guardInterceptor(guard, { sendsAsGiven: true })];
    const client = createClient(Echo, create({ baseUrl: server.url, httpVersion: '2', interceptors }));
    const controller = new AbortController();
    const labels: (string | null)[] = [];
    const as = (authorization: string) => ({
      headers: { authorization },
      signal: controller.signal,
      onHeader: (header: Headers) => void labels.push(header.get('failsoft-cause')),
    });
    const slow = client.unary({ value: 'a' }, as('ada'));
    while (late.length === 0) await new Promise(setImmediate);
    clock.advance(50);
    expect((await slow).value).toBe('default');
    expect({ labels, inFlight: circuit.inFlight }).toEqual({ labels: ['slow'], inFlight: 1 });
    controller.abort(); // the caller has its answer
    late[0]?.();
    await expect.poll(() => circuit.snapshot().totals.outcomes.success).toBe(1);
    expect({ labels, inFlight: circuit.inFlight }).toEqual({ labels: ['slow'], inFlight: 0 });
    using _held = circuit.isolate();
    const later = (authorization: string) => client.unary({ value: 'a' }, { headers: { authorization } });
    expect((await later('ada')).value).toBe('late');
    expect((await later('eve')).value).toBe('default');
  });

  const inPlace: Interceptor = (next) => (request) => {
    request.header.set('authorization', 'service');
    return next(request);
  };
  const anew: Interceptor = (next) => (request) => {
    const header = new Headers(request.header);
    header.set('authorization', 'service');
    return next({ ...request, header });
  };
  const asItIs: Interceptor = (next) => next;

  it.each<[string, Interceptor, GuardInterceptorOptions, string[] | undefined, object]>([
    ['no answer, without the statement', asItIs, {}, undefined, { unknownCaller: 1 }],
    ['no answer to a token set behind it', inPlace, {}, undefined, { unknownCaller: 1 }],
    ['no answer to a token in new headers', anew, {}, undefined, { unknownCaller: 1 }],
    ['no answer against the statement', inPlace, { sendsAsGiven: true }, undefined, { otherCaller: 1 }],
    ['the answer, with the statement', asItIs, { sendsAsGiven: true }, undefined, {}],
    ['the answer where callers share answers', anew, {}, [], {}],
  ])('keeps %s', async (_, behind, options, vary, reasons) => {
    const server = await serve();
    const keeper = lastGood<StringValue, StringValue>(vary === undefined ? {} : { vary });
    const fallbacks = new FallbackRegistry().register(connectMethod(Echo.method.unary), [keeper]);
    const guard = makeGuard({ fallbacks });
    const interceptors = [guardInterceptor(guard, options), behind];
    const client = createClient(Echo, createGrpcTransport({ baseUrl: server.url, interceptors }));
    const as = { headers: { authorization: 'ada' } };
    await client.unary({ value: 'a' }, as);
    const kept = Object.keys(reasons).length === 0 ? 1 : 0;
    expect(keeper.stats()).toMatchObject({ kept, skipped: reasons });
    server.impl = failing;
    const again = await client.unary({ value: 'a' }, as).catch(() => undefined);
    expect(again?.value).toBe(kept === 1 ? 'echo a' : undefined);
  });

  it.each<[string, unknown[]]>([
    ['guard', [{}]],
    ['options.target', [makeGuard(), { target: 1 }]],
    ['options.target', [makeGuard(), { target: 'a#b' }]],
    ['options.callOptions', [makeGuard(), { callOptions: 1 }]],
    ['options.sendsAsGiven', [makeGuard(), { sendsAsGiven: 1 }]],
    ['options.x', [makeGuard(), { x: 1 }]],
  ])('names the bad %s', (field, args) => {
    expect(() => Reflect.apply(guardInterceptor, undefined, args)).toThrow(field);
  });
});
