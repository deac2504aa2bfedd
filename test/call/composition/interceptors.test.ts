import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  type GuardOptions,
  perKey,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, openFor, tripAfter } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';
import { startGuarded } from '../../support/guarded-client.js';

const closers = closedAfterEach();

const setUp = (options: GuardOptions, interceptorsOf: (guard: Guard) => Interceptor[]) =>
  startGuarded(closers, options, interceptorsOf);

/** Adds a token that it has to fetch first: the call starts some turns later. */
const auth: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (metadata, listener, next) => {
      setImmediate(() => {
        metadata.set('authorization', 'Bearer token');
        next(metadata, listener);
      });
    },
  });

/** Writes down all that passes it. */
const logging =
  (log: string[]): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        log.push('start');
        next(metadata, {
          onReceiveMetadata: (received, pass) => {
            log.push('metadata');
            pass(received);
          },
          onReceiveMessage: (message, pass) => {
            log.push(`message ${(message as Message | null)?.text}`);
            pass(message);
          },
          onReceiveStatus: (ended, pass) => {
            log.push(`status ${ended.code}`);
            pass(ended);
          },
        });
      },
      sendMessage: (message, next) => {
        log.push('send');
        next(message);
      },
      halfClose: (next) => {
        log.push('half-close');
        next();
      },
    });

/** Sends another message in the place of the caller's. */
const replacing: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    sendMessage: (message, next) => next({ text: `${(message as Message).text}!` }),
  });

const byText = perKey(({ request }) => (request as Message | undefined)?.text);
const ORDERS = [
  [0, 1, 2, 3],
  [0, 2, 1, 3],
  [0, 1, 3, 2],
  [3, 0, 1, 2],
  [1, 3, 2, 0],
  [2, 1, 0, 3],
] as const;

describe('beside interceptors that start late, log, or replace the message', () => {
  it.each(
    ORDERS.flatMap((order) => [true, false].map((fallbacks) => [order.join(), order, fallbacks] as const)),
  )(
    'in the order %s, the call is made, counted and shown (%s, fallbacks: %s)',
    async (_name, order, fallbacks) => {
      const log: string[] = [];
      const { server, client, guard } = await setUp(
        fallbacks ? { fallbacks: decliningFallbacks() } : {},
        ({ interceptor }) => {
          const all = [interceptor, auth, logging(log), replacing];
          return order.map((index) => all[index] ?? interceptor);
        },
      );
      server.handlers.unary = (call, callback) =>
        callback(null, { text: `${call.request.text} ${call.metadata.get('authorization')}` });
      const { events } = await callUnary(client, 'a');
      // grpc-js sends the message that it was first given where the start comes after it: with and without a guard.
      expect(events).toMatchObject([
        'metadata',
        expect.stringMatching(/^value a!? Bearer token$/),
        'status 0',
      ]);
      expect(log.filter((entry) => entry === 'status 0')).toHaveLength(1);
      expect(log).toContain('metadata');
      expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
        inFlight: 0,
        totals: { admitted: 1, outcomes: { success: 1 } },
      });
    },
  );

  it('keys by the message that reaches the guard', async () => {
    const { client, guard } = await setUp({ keyBy: byText }, ({ interceptor }) => [replacing, interceptor]);
    await callUnary(client, 'a');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual(['/test.Echo/Unary#a!']);
    const after = await setUp({ keyBy: byText }, ({ interceptor }) => [interceptor, replacing]);
    await callUnary(after.client, 'a');
    expect(after.guard.snapshots().map(({ circuitKey: key }) => key)).toEqual(['/test.Echo/Unary#a']);
  });

  it('keys a call that starts late by its message, which comes with the start', async () => {
    const { client, guard } = await setUp({ keyBy: byText }, ({ interceptor }) => [auth, interceptor]);
    await callUnary(client, 'a');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual(['/test.Echo/Unary#a']);
  });

  it('gives a message that comes more than a tick after the start the circuit of the method', async () => {
    const slow: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        sendMessage: (message, next) => setImmediate(() => next(message)),
      });
    const { client, guard } = await setUp({ keyBy: byText }, ({ interceptor }) => [slow, interceptor]);
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual(['/test.Echo/Unary']);
  });
});

describe('a rejected call', () => {
  it('is seen by the interceptors before the guard, and never comes to those behind it', async () => {
    const before: string[] = [];
    const behind: string[] = [];
    const { client, guard } = await setUp({}, ({ interceptor }) => [
      logging(before),
      interceptor,
      logging(behind),
    ]);
    using _held = guard.circuit(echoService.unary).isolate();
    await callUnary(client, 'a');
    expect(before).toEqual(['start', 'send', 'half-close', 'message undefined', 'status 14']);
    expect(behind).toEqual([]);
  });
});

describe("a fallback's answer", () => {
  it('is seen by the interceptors before the guard, with its label', async () => {
    const sources: string[] = [];
    const reading: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, {
            onReceiveMetadata: (received, pass) => {
              sources.push(provenanceOf(received).source);
              pass(received);
            },
          }),
      });
    const { client, guard } = await setUp(
      {
        fallbacks: new FallbackRegistry().register(echoService.unary, [
          defaultPrediction({ text: 'default' }),
        ]),
      },
      ({ interceptor }) => [reading, interceptor],
    );
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await callUnary(client, 'a')).value?.text).toBe('default');
    expect(sources).toEqual(['default']);
  });
});

describe('interceptors of a single call', () => {
  it("replace the client's, the guard among them", async () => {
    const { client, guard } = await setUp({}, ({ interceptor }) => [interceptor]);
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await callUnary(client, 'a', { interceptors: [auth] })).value?.text).toBe('echo a');
    const named = await callUnary(client, 'a', { interceptors: [auth, guard.interceptor] });
    expect(circuitRejectionOf(named.error)?.reason).toBe('ISOLATED');
    const without = await callUnary(client, 'a', { failsoft: { bypass: true } });
    expect(without.value?.text).toBe('echo a');
  });
});

describe('several guards', () => {
  it('on one client each count the call; a rejection of the second is a failure to the first', async () => {
    const server = await startEchoServer();
    const [outer, inner] = [createGuard(), createGuard({ keyBy: byText })];
    const client = echoClient(server.address, { interceptors: [outer.interceptor, inner.interceptor] });
    closers.push(
      () => server.close(),
      () => client.close(),
    );
    await callUnary(client, 'a');
    using _held = inner.circuit(echoService.unary, 'b').isolate();
    const ended = await callUnary(client, 'b');
    expect(ended.error?.code).toBe(status.UNAVAILABLE);
    expect(circuitRejectionOf(ended.error)?.circuitKey).toBe('/test.Echo/Unary#b');
    expect(outer.circuit(echoService.unary).snapshot().totals.outcomes).toMatchObject({
      success: 1,
      failure: 1,
    });
    expect(inner.circuit(echoService.unary, 'a').snapshot().totals.outcomes.success).toBe(1);
  });
});

describe('one guard several times in one list', () => {
  it('counts a call once: a probe is not rejected by its own circuit', async () => {
    const clock = new ManualClock();
    const { server, client, guard } = await setUp(
      { clock, circuit: { ...tripAfter(1), ...openFor(1_000) } },
      ({ interceptor }) => [interceptor, auth, interceptor, interceptor],
    );
    const echo = server.handlers.unary;
    server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
    await callUnary(client, 'a');
    clock.advance(1_000);
    server.handlers.unary = echo;
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      totals: { admitted: 2 },
    });
  });

  it('counts each attempt of an interceptor that tries again', async () => {
    const twice: Interceptor = (options, nextCall) => {
      nextCall(options).start(new Metadata()); // an attempt that is given up
      return new InterceptingCall(nextCall(options));
    };
    const { client, guard } = await setUp({}, ({ interceptor }) => [twice, interceptor]);
    await callUnary(client, 'a');
    expect(guard.circuit(echoService.unary).snapshot().totals.admitted).toBe(2);
  });
});

describe('one guard over several channels', () => {
  it('has circuits in common, or one per target with forTarget()', async () => {
    const servers = [await startEchoServer(), await startEchoServer()];
    const guard = createGuard();
    closers.push(...servers.map((server) => () => server.close()));
    for (const [index, server] of servers.entries()) {
      const shared = echoClient(server.address, { interceptors: [guard.interceptor] });
      const apart = echoClient(server.address, { interceptors: [guard.forTarget(`zone-${index}`)] });
      closers.push(
        () => shared.close(),
        () => apart.close(),
      );
      await callUnary(shared, 'a');
      await callUnary(apart, 'a');
    }
    expect(guard.snapshots().map(({ circuitKey: key, totals }) => [key, totals.admitted])).toEqual([
      ['/test.Echo/Unary', 2],
      ['zone-0/test.Echo/Unary', 1],
      ['zone-1/test.Echo/Unary', 1],
    ]);
  });
});
