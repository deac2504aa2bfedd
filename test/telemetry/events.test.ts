import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { status } from '@grpc/grpc-js';
import {
  type CallEvent,
  type CallObserver,
  deferred,
  type FailsoftChannels,
  FallbackRegistry,
  type FallbackStrategy,
  type GuardOptions,
  lastGood,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService, type Message } from '../support/echo-service.js';
import { callOnce } from '../support/every-kind.js';
import { createGuard, openFor, tripAfter } from '../support/guard.js';
import { opensSoon, startGuarded } from '../support/guarded-client.js';
import { uncaughtErrors } from '../support/uncaught.js';

const closers = closedAfterEach();

const setUp = (options: GuardOptions = {}) => startGuarded(closers, { circuit: opensSoon(), ...options });

function listen<Name extends keyof FailsoftChannels>(
  name: Name,
  listener: (message: FailsoftChannels[Name]) => unknown,
): void {
  const onMessage = (message: unknown) => listener(message as FailsoftChannels[Name]);
  subscribe(name, onMessage);
  closers.push(() => unsubscribe(name, onMessage));
}

const answering: FallbackStrategy<Message, Message> = {
  name: 'default',
  answer: () => ({ message: { text: 'instead' }, source: 'default' }),
};

function fallbacks(...strategies: FallbackStrategy<Message, Message>[]): FallbackRegistry {
  const registry = new FallbackRegistry();
  for (const method of Object.values(echoService)) registry.register(method, strategies);
  return registry;
}

const kinds = ['unary', 'clientStream', 'serverStream', 'bidi'] as const;
const CHANNELS = ['transition', 'rejected', 'degraded', 'call', 'probe', 'store'] as const;

const failWith = (code: status) => (_call: unknown, callback: (error: object) => void) => callback({ code });

function asLine({ outcome, status: code, source, cause }: CallEvent): string {
  return `${outcome} ${code} ${source} ${cause}`;
}

describe('the event of a call', () => {
  it.each(kinds)('comes once for each %s call, and names the source of its answer', async (kind) => {
    for (const registry of [undefined, fallbacks(answering)]) {
      const { server, client, guard } = await setUp(registry && { fallbacks: registry });
      const heard: CallEvent[] = [];
      guard.on('call', (event) => heard.push(event));
      await callOnce(client, kind, 'a');
      server.handlers.unary = failWith(status.UNAVAILABLE);
      server.handlers.clientStream = failWith(status.UNAVAILABLE);
      server.handlers.serverStream = (call) => call.emit('error', { code: status.UNAVAILABLE });
      server.handlers.bidi = (call) => call.emit('error', { code: status.UNAVAILABLE });
      guard.circuit(echoService[kind]).reset();
      for (let n = 0; n < 3; n++) await callOnce(client, kind, 'a');
      const instead = registry === undefined ? '14 none' : '0 default';
      expect(heard.map(asLine)).toEqual([
        'success 0 primary null',
        `failure ${instead} failed`,
        `failure ${instead} failed`,
        `rejected ${instead} rejected`,
      ]);
      expect(heard[0]).toMatchObject({ method: echoService[kind].path, circuitKey: echoService[kind].path });
      expect(heard.every(({ durationMs }) => durationMs >= 0 && durationMs < 60_000)).toBe(true);
    }
  });

  it('comes for a call that its caller cancels, whatever it waits for', async () => {
    const never: FallbackStrategy<Message, Message> = {
      name: 'default',
      answer: () => new Promise(() => {}),
    };
    const { server, client, guard } = await setUp({ fallbacks: fallbacks(never) });
    const heard: string[] = [];
    guard.on('call', (event) => heard.push(asLine(event)));
    const cancelled = { onCall: (call: { cancel(): void }) => setTimeout(() => call.cancel(), 20) };
    server.handlers.unary = () => undefined;
    await callUnary(client, 'a', cancelled);
    guard.circuit(echoService.unary).isolate();
    await callUnary(client, 'a', cancelled);
    expect(heard).toEqual(['ignored 1 none null', 'rejected 1 none rejected']);
    expect(guard.answers()).toEqual([]);
  });

  it('has no part of the request, the answer or the metadata', async () => {
    const { server, client, guard } = await setUp({ fallbacks: fallbacks(answering) });
    const heard: string[] = [];
    for (const name of CHANNELS) listen(`failsoft:${name}`, (message) => heard.push(JSON.stringify(message)));
    await callUnary(client, 'secret');
    server.handlers.unary = (_call, callback) =>
      callback({ code: status.INTERNAL, details: 'secret details' });
    for (let n = 0; n < 4; n++) await callUnary(client, 'secret');
    guard.circuit(echoService.unary).reset();
    expect(heard.length).toBeGreaterThan(10);
    expect(heard.join()).not.toMatch(/secret|instead/);
  });
});

describe('the other events', () => {
  it('come for each rejection', async () => {
    const { client, guard } = await setUp();
    const heard: unknown[] = [];
    guard.on('rejected', ({ method, circuitKey, reason }) => heard.push([method, circuitKey, reason]));
    guard.circuit(echoService.unary).isolate();
    await callUnary(client, 'a');
    guard.circuit('features').isolate();
    await expect(guard.execute('features', () => 1)).rejects.toThrow('ISOLATED');
    expect(heard).toEqual([
      ['/test.Echo/Unary', '/test.Echo/Unary', 'ISOLATED'],
      ['features', 'features', 'ISOLATED'],
    ]);
  });

  it('come once for a rejection, though work that was admitted passes it on', async () => {
    const { guard } = await setUp();
    const rejected: string[] = [];
    guard.on('rejected', ({ circuitKey }) => rejected.push(circuitKey));
    guard.circuit('features').isolate();
    const outer = guard.execute('page', () => guard.execute('features', () => 1));
    await expect(outer).rejects.toThrow('circuit "features" rejected the call: ISOLATED');
    expect(rejected).toEqual(['features']);
  });

  it('leave work the signal that it had without a listener', async () => {
    const { guard } = await setUp();
    guard.on('rejected', () => {});
    const own = await guard.execute('page', (signal) => signal);
    expect(await guard.execute('page', (signal) => signal)).not.toBe(own);
    const read = (...args: unknown[]) => args[0];
    expect(await guard.execute('page', read)).toBe(await guard.execute('page', read));
    await expect(guard.execute('page', 1 as never)).rejects.toThrow('execute.fn: expected a function');
  });

  it('come for each probe, and the guard counts probes and transitions', async () => {
    const clock = new ManualClock();
    const { server, client, guard } = await setUp({
      clock,
      circuit: { ...tripAfter(2), ...openFor(1_000) },
    });
    const heard: unknown[] = [];
    guard.on('probe', ({ circuitKey, kind, outcome }) => heard.push([circuitKey, kind, outcome]));
    server.handlers.unary = failWith(status.UNAVAILABLE);
    for (let n = 0; n < 2; n++) await callUnary(client, 'a');
    clock.advance(1_001);
    await callUnary(client, 'a');
    server.handlers.unary = (_call, callback) => callback(null, { text: 'well' });
    clock.advance(2_001);
    await callUnary(client, 'a');
    const key = '/test.Echo/Unary';
    expect(heard).toEqual([
      [key, 'call', 'failure'],
      [key, 'call', 'success'],
    ]);
    expect(guard.probes()).toEqual([
      { circuitKey: key, kind: 'call', outcome: 'failure', count: 1 },
      { circuitKey: key, kind: 'call', outcome: 'success', count: 1 },
    ]);
    expect(guard.transitions().map(({ from, to, rule, count }) => `${from} ${to} ${rule} x${count}`)).toEqual(
      [
        'closed open failure-rate x1',
        'open half-open none x2',
        'half-open open probe x1',
        'half-open closed probe x1',
      ],
    );
  });

  it('come when a store is down, once for all guards of a registry', async () => {
    const store = { get: () => Promise.reject(new Error('no redis\nsecret')), set: () => Promise.resolve() };
    const registry = new FallbackRegistry().register(echoService.unary, [lastGood({ store })]);
    const { server, client, guard } = await setUp({ fallbacks: registry });
    const other = createGuard({ fallbacks: registry });
    closers.push(() => other.close());
    const heard: unknown[] = [];
    for (const each of [guard, other]) each.on('store', ({ state }) => heard.push(state));
    listen('failsoft:store', ({ atMs, ...message }) => heard.push(message));
    server.handlers.unary = failWith(status.UNAVAILABLE);
    await callUnary(client, 'a');
    expect(heard).toEqual([
      'down',
      'down',
      { store: 'last-good', method: '/test.Echo/Unary', state: 'down', reason: 'no redis' },
    ]);
  });

  it('come when a queue is full, down, and well again', async () => {
    const results: (() => Promise<'accepted' | 'full'>)[] = [
      () => Promise.resolve('full'),
      () => Promise.resolve('full'),
      () => Promise.reject(new Error('no disk')),
      () => Promise.resolve('accepted'),
    ];
    const no = () => Promise.reject(new Error('not in this test'));
    const queue = {
      ...{ take: no, save: no, complete: no, putBack: no, bury: no, dead: no, counts: no, close: no },
      enqueue: () => results.shift()?.() ?? Promise.resolve('full' as const),
      withdraw: () => Promise.resolve(true),
    };
    const later = deferred<Message, Message>({ queue, acknowledge: () => ({ text: 'later' }) });
    const registry = new FallbackRegistry().register(echoService.unary, [later]);
    const { client, guard } = await setUp({ fallbacks: registry });
    const heard: unknown[] = [];
    guard.on('store', ({ store, state, reason }) => heard.push([store, state, reason]));
    guard.circuit(echoService.unary).isolate();
    for (let n = 0; n < 4; n++) await callUnary(client, 'a');
    expect(heard).toEqual([
      ['deferred', 'full', 'it holds the most jobs or bytes that it may'],
      ['deferred', 'down', 'no disk'],
      ['deferred', 'ok', undefined],
    ]);
  });

  it('have the last totals of an evicted circuit', async () => {
    const { client, guard } = await setUp({ maxCircuits: 1 });
    const heard: unknown[] = [];
    guard.on('evicted', ({ circuitKey, snapshot }) => heard.push([circuitKey, snapshot.totals.admitted]));
    for (const key of ['a', 'a', 'b']) await callUnary(client, 'x', { failsoft: { key } });
    expect(heard).toEqual([['/test.Echo/Unary#a', 2]]);
  });
});

describe('the channels', () => {
  it('have no subscribers, and no events, by default', async () => {
    const { client } = await setUp();
    await callUnary(client, 'a');
    for (const name of CHANNELS) expect(channel(`failsoft:${name}`).hasSubscribers).toBe(false);
  });

  it('outlive subscribers that throw and that reject: the process and the other subscribers see nothing of it', async () => {
    const uncaught = uncaughtErrors(closers);
    const { server, client, guard } = await setUp({ fallbacks: fallbacks(answering) });
    const reported = new Set<string>();
    guard.on('warning', ({ source }) => reported.add(source));
    const heard = new Set<string>();
    for (const name of CHANNELS) {
      listen(`failsoft:${name}`, () => {
        throw new Error('a subscriber that throws');
      });
      listen(`failsoft:${name}`, () => Promise.reject(new Error('a subscriber that rejects')));
      listen(`failsoft:${name}`, () => heard.add(name));
    }
    server.handlers.unary = failWith(status.UNAVAILABLE);
    for (let n = 0; n < 3; n++) expect((await callUnary(client, 'a')).value).toEqual({ text: 'instead' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([...heard].sort()).toEqual(['call', 'degraded', 'rejected', 'transition']);
    expect([...reported].sort()).toEqual(
      [...heard].map((name) => `a subscriber of 'failsoft:${name}'`).sort(),
    );
    expect(uncaught).toEqual([]);
  });

  it('are silent when the guard is closed', async () => {
    const { client, guard } = await setUp();
    const heard: unknown[] = [];
    listen('failsoft:call', (message) => heard.push(message));
    await guard.close();
    await callUnary(client, 'a');
    expect(heard).toEqual([]);
  });
});

describe('an observer of calls', () => {
  it("begins in the caller's async context, and gets the call's own transitions and its end", async () => {
    const caller = new AsyncLocalStorage<string>();
    const { server, client, guard } = await setUp();
    const heard: string[] = [];
    const stop = guard.observe((): CallObserver => {
      const name = caller.getStore();
      return {
        onTransition: ({ from, to }) => heard.push(`${name}: ${from} to ${to}`),
        onEnd: (event) => heard.push(`${name}: ${asLine(event)}`),
      };
    });
    server.handlers.unary = failWith(status.UNAVAILABLE);
    for (const name of ['ann', 'bob', 'cid']) await caller.run(name, () => callUnary(client, 'a'));
    stop();
    await callUnary(client, 'a');
    expect(heard).toEqual([
      'ann: failure 14 none failed',
      'bob: closed to open',
      'bob: failure 14 none failed',
      'cid: rejected 14 none rejected',
    ]);
  });

  it('that throws harms no call', async () => {
    const { client, guard } = await setUp();
    const thrown = () => {
      throw new Error('an observer that throws');
    };
    const sources: string[] = [];
    guard.on('warning', ({ source }) => sources.push(source));
    guard.observe(thrown);
    guard.observe(() => ({ onEnd: thrown }));
    expect((await callUnary(client, 'a')).value).toEqual({ text: 'echo a' });
    expect(sources).toEqual(['an observer of calls', 'an observer of calls']);
  });
});
