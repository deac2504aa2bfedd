import { InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { FallbackRegistry, type FallbackStrategy, type Guard, type GuardOptions } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoService, type Message } from '../../support/echo-service.js';
import { createGuard, neverTrip, openFor, tripAfter } from '../../support/guard.js';
import { startGuarded } from '../../support/guarded-client.js';
import { retrying } from '../../support/retrying.js';
import { observe } from './two-clients.js';

const closers = closedAfterEach();

const setUp = (options: GuardOptions, interceptorsOf: (guard: Guard) => Interceptor[]) =>
  startGuarded(closers, options, interceptorsOf);

describe('a fallback registry that two guards share', () => {
  it('is left open by the guard that is closed', async () => {
    let closed = 0;
    const strategy: FallbackStrategy<Message, Message> = {
      name: 'default',
      answer: () => (closed > 0 ? undefined : { message: { text: 'fallback' }, source: 'default' }),
      close: () => {
        closed++;
      },
    };
    const fallbacks = new FallbackRegistry().register(echoService.unary, [strategy]);
    const first = createGuard({ fallbacks });
    const { client, guard } = await setUp({ fallbacks }, ({ interceptor }) => [interceptor]);
    await first.close();
    await first[Symbol.asyncDispose]();
    expect(closed).toBe(0);
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await callUnary(client, 'a')).value?.text).toBe('fallback');
    fallbacks.register(echoService.bidi, []); // closed, it would throw
    await guard.close();
    expect(closed).toBe(0);
    await fallbacks.close(); // by who made it
    expect(closed).toBe(1);
  });
});

const retryingOnce = retrying(({ code }, attempts) => code !== status.OK && attempts < 2);

const LISTS: Readonly<Record<string, (guard: Guard) => Interceptor[]>> = {
  'the same interceptor twice': ({ interceptor }) => [interceptor, interceptor],
  'two of one target': (guard) => [guard.forTarget('a'), guard.forTarget('a')],
  'one of a target and one of none': (guard) => [guard.interceptor, guard.forTarget('')],
  'the same interceptor around another': ({ interceptor }) => [
    interceptor,
    (options, nextCall) => new InterceptingCall(nextCall({ ...options })),
    interceptor,
  ],
  'two of one target around another': (guard) => [
    guard.forTarget('a'),
    (options, nextCall) => new InterceptingCall(nextCall({ ...options })),
    guard.forTarget('a'),
  ],
};

describe.each(Object.entries(LISTS))('one guard twice in a list (%s)', (_how, interceptorsOf) => {
  it.each(KINDS)('counts a %s call once', async (kind) => {
    const { client, guard } = await setUp({ circuit: neverTrip() }, interceptorsOf);
    expect((await observe(client, kind)).code).toBe(status.OK);
    expect(guard.snapshots().map(({ inFlight, totals }) => [inFlight, totals.admitted])).toEqual([[0, 1]]);
  });

  it.each(KINDS)('lets the probe of a half-open circuit through (%s)', async (kind) => {
    const clock = new ManualClock();
    const { client, guard, server } = await setUp(
      { clock, circuit: { ...tripAfter(1), ...openFor(1_000) } },
      interceptorsOf,
    );
    const { handlers } = server;
    const echoes = { ...handlers };
    const down = { code: status.UNAVAILABLE, details: 'down' };
    handlers.unary = (_call, callback) => callback(down);
    handlers.clientStream = (_call, callback) => callback(down);
    handlers.serverStream = (call) => call.emit('error', down);
    handlers.bidi = (call) => call.emit('error', down);
    await observe(client, kind);
    expect(guard.snapshots().map(({ state }) => state)).toEqual(['open']);
    Object.assign(handlers, echoes);
    clock.advance(1_000);
    expect((await observe(client, kind)).code).toBe(status.OK);
    expect(guard.snapshots()).toMatchObject([{ state: 'closed', inFlight: 0, totals: { admitted: 2 } }]);
  });
});

describe('one guard on both sides of an interceptor that tries again', () => {
  it.each<[string, (guard: Guard) => Interceptor[]]>([
    ['itself', ({ interceptor }) => [interceptor, retryingOnce, interceptor]],
    ['of a target', (guard) => [guard.forTarget('a'), retryingOnce, guard.forTarget('a')]],
  ])('counts the call once, however many attempts it takes (%s)', async (_how, interceptorsOf) => {
    const { client, guard, server } = await setUp({ circuit: neverTrip() }, interceptorsOf);
    const echo = server.handlers.unary;
    server.handlers.unary = (call, callback) => {
      server.handlers.unary = echo;
      callback({ code: status.UNAVAILABLE, details: `not yet, ${call.request.text}` });
    };
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(server.calls.count).toBe(2);
    expect(guard.snapshots()).toMatchObject([
      { inFlight: 0, totals: { admitted: 1, outcomes: { success: 1, failure: 0 } } },
    ]);
  });
});

describe('the options of a call', () => {
  it('are not marked: used for several calls, each of them counts', async () => {
    const { client, guard } = await setUp({ circuit: neverTrip() }, (one) => [
      one.interceptor,
      one.interceptor,
    ]);
    const options = Object.freeze({ failsoft: {}, deadline: Date.now() + 60_000 });
    const before = Reflect.ownKeys(options);
    await Promise.all(['a', 'b', 'c'].map((text) => callUnary(client, text, options)));
    expect(Reflect.ownKeys(options)).toEqual(before);
    expect(guard.snapshots().map(({ totals }) => totals.admitted)).toEqual([3]);
  });
});
