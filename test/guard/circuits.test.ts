import { Metadata, status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  FallbackRegistry,
  type GuardOptions,
  perKey,
  provenanceOf,
  type TransitionEvent,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../support/echo-service.js';
import { capabilities, createGuard, openFor, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();

async function setUp(options: GuardOptions = {}) {
  const clock = new ManualClock();
  const server = await startEchoServer();
  const guard = createGuard({
    clock,
    circuit: { ...tripAfter(2), ...openFor(1_000) },
    ...options,
  });
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const transitions: TransitionEvent[] = [];
  guard.on('transition', (event) => transitions.push(event));
  return { clock, server, guard, client, transitions };
}

const failing = (code: status, trailers?: Metadata) => (_call: unknown, callback: (error: object) => void) =>
  callback({ code, details: 'as told', ...(trailers && { metadata: trailers }) });

const openForSecond = { open: { baseMs: 1_000, jitter: 'none' } } as const;

const perText = perKey(({ request }) => (request as Message | undefined)?.text);

describe('circuits behind the interceptor', () => {
  it('open, probe and close again, with a reason each time', async () => {
    const { client, server, clock, transitions } = await setUp();
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    clock.advance(1_000);
    await callUnary(client, 'a'); // the probe fails: open for a fifth longer, where the engine backs off
    clock.advance(capabilities.openTimeBackoff ? 1_199 : 999);
    expect(circuitRejectionOf((await callUnary(client, 'a')).error)?.retryAfterMs).toBe(10); // rounded up
    server.handlers.unary = (call, callback) => callback(null, { text: call.request.text });
    clock.advance(1);
    expect((await callUnary(client, 'a')).value?.text).toBe('a');
    expect(transitions.map(({ from, to, openings }) => [from, to, openings])).toEqual([
      ['closed', 'open', 1],
      ['open', 'half-open', 1],
      ['half-open', 'open', 2],
      ['open', 'half-open', 2],
      ['half-open', 'closed', 0],
    ]);
    expect(transitions[0]).toMatchObject({
      circuitKey: '/test.Echo/Unary',
      reason: 'failure-rate 1.00 >= 0.50 over 2 calls',
      openForMs: 1_000,
    });
  });

  it('let one of N concurrent callers through as the probe', async () => {
    const { client, server, clock } = await setUp();
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (let n = 0; n < 2; n++) await callUnary(client, 'a');
    clock.advance(1_000);
    let release = () => {};
    const reached = server.calls.count;
    server.handlers.unary = (_call, callback) => {
      release = () => callback(null, { text: 'probe' });
    };
    const calls = Array.from({ length: 6 }, () => callUnary(client, 'a'));
    await expect.poll(() => server.calls.count).toBe(reached + 1);
    const rejected = await Promise.all(calls.slice(1));
    expect(rejected.map(({ error }) => circuitRejectionOf(error)?.reason)).toEqual(
      Array(5).fill('HALF_OPEN'),
    );
    release();
    expect((await calls[0])?.value?.text).toBe('probe');
    server.handlers.unary = (call, callback) => callback(null, { text: call.request.text });
    expect((await callUnary(client, 'a')).value?.text).toBe('a');
  });

  it.each(['succeeds', 'fails', 'is cancelled'])(
    'a call begun before the trip that %s in half-open changes nothing',
    async (how) => {
      const { client, server, clock, guard } = await setUp();
      let finish = (_error: object | null) => {};
      server.handlers.unary = (call, callback) => {
        if (call.request.text !== 'early') return callback({ code: status.UNAVAILABLE });
        finish = (error) => (error ? callback(error) : callback(null, { text: 'late' }));
      };
      let cancel = () => {};
      const early = callUnary(client, 'early', {
        onCall: (call) => {
          cancel = () => call.cancel();
        },
      });
      await expect.poll(() => server.calls.count).toBe(1);
      for (let n = 0; n < 2; n++) await callUnary(client, 'a');
      clock.advance(1_000);
      expect(guard.circuit(echoService.unary).state).toBe('half-open');
      if (how === 'succeeds') finish(null);
      else if (how === 'fails') finish({ code: status.UNAVAILABLE });
      else cancel();
      await early;
      expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
        state: 'half-open',
        inFlight: 0,
        totals: { stale: 1 },
      });
    },
  );

  it('stay open longer after a push-back of the server, where the engine supports it', async () => {
    const trailers = new Metadata();
    trailers.set('grpc-retry-pushback-ms', '7000');
    const { client, server, transitions } = await setUp();
    server.handlers.unary = failing(status.UNAVAILABLE, trailers);
    for (let n = 0; n < 2; n++) await callUnary(client, 'a');
    expect(transitions[0]?.openForMs).toBe(capabilities.openTimeBackoff ? 7_000 : 1_000);
  });

  it('are apart for each part of the key, and for each target', async () => {
    const { client, server, guard } = await setUp({ keyBy: perText });
    server.handlers.unary = (call, callback) =>
      call.request.text === 'bad'
        ? callback({ code: status.INTERNAL })
        : callback(null, { text: call.request.text });
    for (let n = 0; n < 3; n++) await callUnary(client, 'bad');
    expect((await callUnary(client, 'good')).value?.text).toBe('good');
    expect(guard.snapshots().map(({ circuitKey: key, state }) => [key, state])).toEqual([
      ['/test.Echo/Unary#bad', 'open'],
      ['/test.Echo/Unary#good', 'closed'],
    ]);
    const other = echoClient(server.address, { interceptors: [guard.forTarget('other')] });
    closers.push(() => other.close());
    expect((await callUnary(other, 'bad')).error?.code).toBe(status.INTERNAL);
    expect(guard.snapshots().at(-1)?.circuitKey).toBe('other/test.Echo/Unary#bad');
  });

  it('of models have a parent that a dead server opens once', async () => {
    const { client, server, guard, transitions } = await setUp({
      keyBy: perText,
      parentCircuit: { ...tripAfter(3), recovering: false },
    });
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (const model of ['a', 'b', 'c']) await callUnary(client, model);
    expect(transitions.map(({ circuitKey: circuit, to }) => [circuit, to])).toEqual([
      ['/test.Echo/Unary', 'open'],
    ]);
    const rejected = await callUnary(client, 'd');
    expect(circuitRejectionOf(rejected.error)).toMatchObject({
      circuitKey: '/test.Echo/Unary',
      reason: 'CIRCUIT_OPEN',
    });
    expect(guard.circuit(echoService.unary, 'd').snapshot()).toMatchObject({
      inFlight: 0,
      window: { calls: 0 },
    });
  });

  it('of models do not open their parent when one model fails', async () => {
    const { client, server, guard } = await setUp({
      keyBy: perText,
      parentCircuit: tripAfter(3),
    });
    server.handlers.unary = failing(status.INTERNAL);
    for (let n = 0; n < 5; n++) await callUnary(client, 'a', { failsoft: { mode: 'observe' } });
    expect(guard.circuit(echoService.unary, 'a').state).toBe('open');
    expect(guard.circuit(echoService.unary).state).toBe('closed');
  });

  if (capabilities.ramp) {
    it('of models that recover below a recovering parent do not pay for calls that the parent rejects', async () => {
      const recovering = { recovering: { durationMs: 1e9, initialShare: 0.2 }, ...openForSecond };
      const { client, server, guard, clock } = await setUp({
        keyBy: perText,
        circuit: { ...tripAfter(1), ...recovering },
        parentCircuit: { ...tripAfter(1), ...recovering },
      });
      server.handlers.unary = failing(status.UNAVAILABLE);
      await callUnary(client, 'a');
      clock.advance(1_000);
      server.handlers.unary = (call, callback) => callback(null, { text: call.request.text });
      await callUnary(client, 'a');
      for (const part of ['a', '']) expect(guard.circuit(echoService.unary, part).state).toBe('recovering');
      const before = server.calls.count;
      await Promise.all(Array.from({ length: 100 }, () => callUnary(client, 'a')));
      // a fifth of a hundred, and not a fifth of a fifth; two more, which the limits admit at first
      expect(server.calls.count - before).toBeGreaterThanOrEqual(19);
      expect(server.calls.count - before).toBeLessThanOrEqual(23);
    });
  }

  it('in observe mode reject nothing, and report what enforce would do', async () => {
    const { client, server, guard, transitions } = await setUp();
    guard.setMode('observe');
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (let n = 0; n < 5; n++)
      expect(circuitRejectionOf((await callUnary(client, 'a')).error)).toBeUndefined();
    expect(server.calls.count).toBe(5);
    expect(transitions).toMatchObject([{ to: 'open', mode: 'observe' }]);
    expect(guard.circuit(echoService.unary).snapshot().totals.rejected.CIRCUIT_OPEN).toBe(3);
  });

  it('count an invalid answer as a failure, and the fallback answers', async () => {
    const fallbacks = new FallbackRegistry().register(echoService.unary, [
      { name: 'default', answer: () => ({ message: { text: 'none' }, source: 'default' }) },
    ]);
    const { client, server, guard } = await setUp({
      fallbacks,
      classify: {
        classifyMessage: (message) => ((message as Message).text === 'NaN' ? 'failure' : undefined),
      },
    });
    server.handlers.unary = (_call, callback) => callback(null, { text: 'NaN' });
    const ended = await callUnary(client, 'a');
    expect(ended.value?.text).toBe('none');
    expect(provenanceOf(ended.metadata).cause).toBe('INVALID_ANSWER');
    expect((await callUnary(client, 'a', { failsoft: { fallback: false } })).value?.text).toBe('NaN');
    expect(guard.circuit(echoService.unary).state).toBe('open');
  });
});
