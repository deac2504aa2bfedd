import { createServer, type Http2Session } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { type GuardOptions, perKey } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { echoService, type Message } from '../support/echo-service.js';
import { createGuard, tripAfter } from '../support/guard.js';
import { OWN_HOST } from '../support/own-host.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

const CALLS = 20;
const closers = closedAfterEach();

interface Hanging {
  readonly proxy: TcpProxy;
  readonly sessions: ReadonlySet<Http2Session>;
  /** Resolves when as many calls are at the server. */
  arrived(calls: number): Promise<void>;
  /** Ends every call at the server with an HTTP/2 error code. */
  resetStreams(code: number): void;
  close(): void;
}

/** A server that never answers, behind a proxy that can break the connection. */
async function startHanging(): Promise<Hanging> {
  const sessions = new Set<Http2Session>();
  const streams: { close(code: number): void }[] = [];
  let wanted = { calls: Number.POSITIVE_INFINITY, resolve: () => {} };
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    streams.push(stream);
    if (streams.length >= wanted.calls) wanted.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  // a port of 127.0.0.1 may be that of another test as soon as it is closed
  const proxy = await startTcpProxy(port, 0, OWN_HOST);
  return {
    proxy,
    sessions,
    arrived: (calls) =>
      new Promise((resolve) => {
        wanted = { calls, resolve };
        if (streams.length >= calls) resolve();
      }),
    resetStreams: (code) => {
      for (const stream of streams) stream.close(code);
    },
    close: () => {
      proxy.close();
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

function each<T>(items: ReadonlySet<T>, run: (item: T) => void): void {
  for (const item of items) run(item);
}

async function setUp(options: GuardOptions = {}) {
  const server = await startHanging();
  const guard = createGuard({ circuit: tripAfter(5), clock: new ManualClock(1_000_000), ...options });
  const client = new Client(server.proxy.address, credentials.createInsecure(), {
    interceptors: [guard.interceptor],
  });
  closers.push(
    () => client.close(),
    () => guard.close(),
    () => server.close(),
  );
  const { path, requestSerialize, responseDeserialize } = echoService.unary;
  const call = (text = '') =>
    new Promise<ServiceError | null>((resolve) => {
      const deadline = Date.now() + 20_000;
      const message: Message = { text };
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, { deadline }, resolve);
    });
  const stream = () =>
    new Promise<ServiceError>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = echoService.unary;
      const message: Message = { text: '' };
      client
        .makeServerStreamRequest(path, requestSerialize, responseDeserialize, message)
        .on('error', resolve)
        .resume();
    });
  const circuit = guard.circuit(echoService.unary);
  return { server, guard, call, stream, circuit };
}

const { version: grpcVersion } = createRequire(import.meta.url)('@grpc/grpc-js/package.json');
/** Whether this version of grpc-js tells a lost connection from a cancelled stream. */
const SAYS_LOST = Number(/^1\.(\d+)\./.exec(String(grpcVersion))?.[1]) >= 13;

describe('a connection that is lost with many calls on it', () => {
  it.each<[string, (server: Hanging) => void | Promise<void>]>([
    ['its reset', ({ proxy }) => proxy.drop()],
    ['its end', ({ proxy }) => proxy.end()],
    ['the end of the server', ({ sessions }) => each(sessions, (session) => session.destroy())],
    ['a GOAWAY with an error', ({ sessions }) => each(sessions, (session) => session.goaway(2))],
    ['a GOAWAY against pings', ({ sessions }) => each(sessions, (session) => session.goaway(11))],
    [
      'its reset after a GOAWAY',
      async ({ proxy, sessions }) => {
        for (const session of sessions) {
          session.goaway(0);
          await new Promise<void>((resolve) => session.ping(() => resolve()));
        }
        proxy.drop();
      },
    ],
  ])('is one failure: %s', async (_name, breakIt) => {
    const { server, call, stream, circuit } = await setUp();
    const calls = [...Array.from({ length: CALLS }, () => call()), stream()];
    await server.arrived(CALLS + 1);
    await breakIt(server);
    for (const error of await Promise.all(calls)) expect(error?.code).toBeDefined();
    const { state, window, totals } = circuit.snapshot();
    expect({ state, calls: window.calls, correlated: totals.correlated, admitted: totals.admitted }).toEqual({
      state: 'closed',
      calls: 1,
      correlated: CALLS,
      admitted: CALLS + 1,
    });
  });

  it('is noticed as fast as before when the server is gone: each next call is a failure', async () => {
    const { server, call, circuit } = await setUp();
    const calls = Array.from({ length: CALLS }, () => call());
    await server.arrived(CALLS);
    server.close();
    await Promise.all(calls);
    expect(circuit.state).toBe('closed');
    for (let more = 0; more < 4; more++) expect((await call())?.code).toBe(status.UNAVAILABLE);
    const { state, lastTrip, totals } = circuit.snapshot();
    expect({ state, notSent: totals.notSent }).toEqual({ state: 'open', notSent: 4 });
    expect(lastTrip?.reason).toMatch(/ over 5 calls, and 19 more were lost with the same connections$/);
  });

  it('is one failure of the parent, and of each model', async () => {
    const { server, guard, call, circuit } = await setUp({
      keyBy: perKey(({ request }) => (request as Message | undefined)?.text),
      parentCircuit: true,
    });
    const models = Array.from({ length: CALLS }, (_, number) => `model-${number}`);
    const calls = models.map((model) => call(model));
    await server.arrived(CALLS);
    server.proxy.drop();
    await Promise.all(calls);
    // what an older grpc-js says of a lost connection can also be a single stream's end: that is no evidence against the parent
    const [counted, correlated] = SAYS_LOST ? [1, CALLS - 1] : [0, 0];
    expect(circuit.snapshot()).toMatchObject({ window: { calls: counted }, totals: { correlated } });
    for (const model of models)
      expect(guard.circuit(echoService.unary, model).snapshot().window.unhealthy).toBe(1);
  });

  it('is one failure each time that a server breaks the connection of a single call', async () => {
    const { server, call, circuit } = await setUp();
    for (let calls = 1; calls <= 5; calls++) {
      expect(circuit.state).toBe('closed');
      const one = call();
      await server.arrived(calls);
      server.proxy.drop();
      await one;
    }
    expect(circuit.snapshot()).toMatchObject({ state: 'open', totals: { correlated: 0 } });
  });
});

describe('streams that a server ends one by one', () => {
  it.each([
    ['without a status', 0],
    ['with an internal error', 2],
  ])('are failures each, %s', async (_name, code) => {
    const { server, call, circuit } = await setUp();
    for (let calls = 1; calls <= 5; calls++) {
      const one = call();
      await server.arrived(calls);
      server.resetStreams(code);
      await one;
    }
    expect(circuit.snapshot()).toMatchObject({ state: 'open', totals: { correlated: 0 } });
  });
});
