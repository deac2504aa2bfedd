import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  FallbackRegistry,
  type FallbackStrategy,
  type Guard,
  type GuardOptions,
  provenanceOf,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  type EchoClient,
  type EchoServer,
  echoClient,
  echoService,
  type Message,
  ready,
  startEchoServer,
} from '../support/echo-service.js';
import { createGuard, openFor, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();

async function setUp(
  options: GuardOptions = {},
): Promise<{ server: EchoServer; client: EchoClient; guard: Guard }> {
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

/** The strategy, and a promise that it was asked. */
function noting(strategy: FallbackStrategy<Message, Message>) {
  let tell = () => {};
  const asked = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const answer: typeof strategy.answer = (context) => {
    tell();
    return strategy.answer(context);
  };
  return { strategy: { ...strategy, answer }, asked };
}

const failing =
  (code: status, details = 'as told') =>
  (_call: unknown, callback: (error: object) => void) =>
    callback({ code, details });

function registry(...strategies: FallbackStrategy<Message, Message>[]): FallbackRegistry {
  return new FallbackRegistry().register(echoService.unary, strategies);
}

function answering(text: string): FallbackStrategy<Message, Message> {
  return { name: 'default', answer: () => ({ message: { text }, source: 'default' }) };
}

describe('a unary call', () => {
  it('passes through a closed circuit as it is', async () => {
    const { client, guard } = await setUp();
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value echo a', 'status 0']);
    expect(provenanceOf(ended.metadata)).toEqual({
      source: 'primary',
      degraded: false,
      cause: undefined,
      ageMs: undefined,
    });
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      totals: { outcomes: { success: 1 } },
    });
  });

  it('is rejected without touching the network once the circuit is open', async () => {
    const { client, server, guard } = await setUp();
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (let n = 0; n < 2; n++) await callUnary(client, 'a');
    const reached = server.calls.count;
    const ended = await callUnary(client, 'a');
    expect(server.calls.count).toBe(reached);
    expect(ended.events).toEqual(['error 14', 'status 14']);
    expect(circuitRejectionOf(ended.error)).toMatchObject({
      circuitKey: '/test.Echo/Unary',
      reason: 'CIRCUIT_OPEN',
      fallback: undefined,
    });
    expect(circuitRejectionOf(ended.error)?.retryAfterMs).toBeGreaterThan(0);
    expect(guard.circuit(echoService.unary).snapshot().totals.rejected.CIRCUIT_OPEN).toBe(1);
  });

  it('gives the RESOURCE_EXHAUSTED of a concurrency limit, which counts as nothing', async () => {
    const { client, server, guard } = await setUp({
      circuit: { ...tripAfter(2), concurrency: { type: 'fixed', limit: 1 } },
    });
    let release = () => {};
    server.handlers.unary = (call, callback) => {
      release = () => callback(null, { text: call.request.text });
    };
    const first = callUnary(client, 'a');
    const second = await callUnary(client, 'b');
    expect(second.error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(circuitRejectionOf(second.error)?.reason).toBe('CONCURRENCY_LIMIT');
    await expect.poll(() => server.calls.count).toBe(1);
    release();
    expect((await first).value).toEqual({ text: 'a' });
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      inFlight: 0,
      window: { calls: 1, unhealthy: 0 },
    });
  });

  describe.each([
    ['without a fallback', undefined],
    ['with a fallback', registry(answering('fallback'))],
  ])('that is rejected, %s,', (_how, fallbacks) => {
    it('is never answered in the turn in which it was made', async () => {
      const { client, guard } = await setUp(fallbacks && { fallbacks });
      guard.circuit(echoService.unary).isolate();
      const order: string[] = [];
      await new Promise<void>((resolve) => {
        client.unary({ text: 'a' }, new Metadata(), {}, () => {
          order.push('answered');
          resolve();
        });
        order.push('made');
        process.nextTick(() => order.push('next tick'));
      });
      expect(order).toEqual(['made', 'next tick', 'answered']);
    });

    it('does not starve the event loop when its caller tries again in the callback', async () => {
      const { client, guard } = await setUp(fallbacks && { fallbacks });
      guard.circuit(echoService.unary).isolate();
      const most = 100_000; // or a starved loop would never end this test
      let rounds = 0;
      let stop = false;
      const again = () => {
        rounds++;
        if (!stop && rounds < most) client.unary({ text: 'a' }, new Metadata(), {}, again);
      };
      again();
      await new Promise((resolve) => setTimeout(resolve, 1)); // a timer gets its turn at all
      stop = true;
      expect(rounds).toBeGreaterThan(0);
      expect(rounds).toBeLessThan(most);
    });
  });

  it.each([
    [status.INVALID_ARGUMENT],
    [status.NOT_FOUND],
    [status.ALREADY_EXISTS],
    [status.PERMISSION_DENIED],
    [status.UNAUTHENTICATED],
    [status.FAILED_PRECONDITION],
    [status.OUT_OF_RANGE],
    [status.UNIMPLEMENTED],
    [status.ABORTED],
  ])('never trips and never falls back on a caller error (%i)', async (code) => {
    const { client, server, guard } = await setUp({ fallbacks: registry(answering('fallback')) });
    server.handlers.unary = failing(code);
    for (let n = 0; n < 5; n++)
      expect((await callUnary(client, 'a')).error).toMatchObject({ code, details: 'as told' });
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'closed',
      totals: { outcomes: { 'caller-error': 5 } },
    });
  });

  it('never trips on a request that cannot be serialized', async () => {
    const { client, guard, server } = await setUp({ fallbacks: registry(answering('fallback')) });
    const none = 1n as unknown as string; // what JSON cannot write
    for (let n = 0; n < 5; n++) expect((await callUnary(client, none)).error?.code).toBe(status.INTERNAL);
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'closed',
      totals: { outcomes: { ignored: 5 } },
    });
    expect(server.calls.count).toBe(0);
  });

  it.each([
    [status.UNAVAILABLE],
    [status.INTERNAL],
    [status.UNKNOWN],
    [status.DATA_LOSS],
    [status.RESOURCE_EXHAUSTED],
  ])('falls back on a failure or an overload (%i), labelled', async (code) => {
    const { client, server, guard } = await setUp({ fallbacks: registry(answering('fallback')) });
    const degraded: unknown[] = [];
    guard.on('degraded', (event) => degraded.push(event));
    server.handlers.unary = failing(code);
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value fallback', 'status 0']);
    expect(provenanceOf(ended.metadata)).toEqual({
      source: 'default',
      degraded: true,
      cause: status[code],
      ageMs: undefined,
    });
    expect(degraded).toMatchObject([
      { method: '/test.Echo/Unary', circuitKey: '/test.Echo/Unary', source: 'default', cause: status[code] },
    ]);
  });

  it('is answered by the fallback when rejected, with a label', async () => {
    const { client, guard, server } = await setUp({ fallbacks: registry(answering('fallback')) });
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = await callUnary(client, 'a');
    expect(ended.events).toEqual(['metadata', 'value fallback', 'status 0']);
    expect(provenanceOf(ended.metadata).cause).toBe('ISOLATED');
    expect(server.calls.count).toBe(0);
  });

  it("obeys the call's options: no fallback, another key, bypass, observe", async () => {
    const { client, server, guard } = await setUp({ fallbacks: registry(answering('fallback')) });
    using _held = guard.circuit(echoService.unary).isolate();
    expect(
      circuitRejectionOf((await callUnary(client, 'a', { failsoft: { fallback: false } })).error)?.reason,
    ).toBe('ISOLATED');
    expect((await callUnary(client, 'a', { failsoft: { key: 'mine' } })).value?.text).toBe('echo a');
    expect(guard.circuit(echoService.unary, 'mine').snapshot().totals.admitted).toBe(1);
    expect((await callUnary(client, 'a', { failsoft: { bypass: true } })).value?.text).toBe('echo a');
    expect((await callUnary(client, 'a', { failsoft: { mode: 'observe' } })).value?.text).toBe('echo a');
    expect((await callUnary(client, 'a', { failsoft: { mode: 'off' } })).value?.text).toBe('echo a');
    expect(server.calls.count).toBe(4);
  });

  it('throws a misspelt call option out of the client method', async () => {
    const { client } = await setUp();
    const wrong = { failsoft: { falback: false } } as object;
    expect(() => client.unary({ text: 'a' }, new Metadata(), wrong, () => undefined)).toThrow(
      /failsoft \(call option\)\.falback: expected one of the options/,
    );
  });

  it('gives the permit back when the client is closed, which throws as without a guard', async () => {
    const { client, guard } = await setUp();
    client.close();
    expect(() => client.unary({ text: 'a' }, new Metadata(), {}, () => undefined)).toThrow(/shut down/);
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { ignored: 1 } },
    });
  });

  it("gives the primary's own status, with the attempts of a chain that did not answer", async () => {
    const broken: FallbackStrategy<Message, Message> = {
      name: 'secondary:broken',
      answer: () => {
        throw new Error('no luck');
      },
    };
    const declining: FallbackStrategy<Message, Message> = { name: 'last-good', answer: () => undefined };
    const { client, server, guard } = await setUp({ fallbacks: registry(declining, broken) });
    server.handlers.unary = failing(status.INTERNAL, 'CUDA error');
    const failed = await callUnary(client, 'a');
    expect(failed.error).toMatchObject({ code: status.INTERNAL, details: 'CUDA error' });
    expect(failed.error?.metadata.get('grpc-status-details-bin')[0]?.toString()).toContain(
      'secondary:broken failed (no luck)',
    );
    expect(circuitRejectionOf(failed.error)).toBeUndefined();
    using _held = guard.circuit(echoService.unary).isolate();
    const rejected = await callUnary(client, 'a');
    expect(circuitRejectionOf(rejected.error)?.fallback).toBe(
      'last-good declined; secondary:broken failed (no luck)',
    );
  });

  it('gives the rejection when a fallback answers with the wrong type', async () => {
    const wrong: FallbackStrategy<Message, Message> = {
      name: 'default',
      answer: () => ({ message: 'text' as unknown as Message, source: 'default' }),
    };
    const { client, guard } = await setUp({ fallbacks: registry(wrong) });
    using _held = guard.circuit(echoService.unary).isolate();
    expect(circuitRejectionOf((await callUnary(client, 'a')).error)?.fallback).toMatch(/default failed/);
  });

  describe('deadline', () => {
    const hanging: FallbackStrategy<Message, Message> = {
      name: 'secondary:hung',
      answer: () => new Promise(() => undefined),
    };

    it('ends a fallback that hangs', async () => {
      const clock = new ManualClock(Date.now());
      const { strategy, asked } = noting(hanging);
      const { client, guard } = await setUp({ clock, fallbacks: registry(strategy) });
      using _held = guard.circuit(echoService.unary).isolate();
      const call = callUnary(client, 'a', { deadline: clock.now() + 3_600_000 });
      await asked;
      // The wall clock has not got there; when a timer of Node runs, it may not have either, by a millisecond.
      clock.advance(3_600_000);
      const ended = await call;
      expect(ended.error?.code).toBe(status.DEADLINE_EXCEEDED);
      expect(circuitRejectionOf(ended.error)?.reason).toBe('ISOLATED');
    });

    it('that the primary used up still allows strategies that answer at once', async () => {
      const { client, server } = await setUp({ fallbacks: registry(hanging, answering('fallback')) });
      await callUnary(client, 'warm'); // a connection that is still being made has failures of its own
      server.handlers.unary = () => undefined;
      const ended = await callUnary(client, 'a', { deadline: Date.now() + 500 });
      expect(ended.value?.text).toBe('fallback');
      expect(provenanceOf(ended.metadata).cause).toBe('DEADLINE_EXCEEDED');
    });

    it('is shared: when the primary has used up its part, a fallback that takes time still has the reserve', async () => {
      const slow: FallbackStrategy<Message, Message> = {
        name: 'secondary:slow',
        answer: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return { message: { text: 'slow' }, source: 'secondary:slow' };
        },
      };
      const { client, server } = await setUp({ fallbacks: registry(slow), fallbackReserveMs: 60_000 });
      await callUnary(client, 'warm'); // a connection that is still being made has failures of its own
      server.handlers.unary = () => undefined;
      const ended = await callUnary(client, 'a', { deadline: Date.now() + 2_000 });
      expect(ended.value?.text).toBe('slow');
      expect(provenanceOf(ended.metadata).cause).toBe('DEADLINE_EXCEEDED');
    });

    it.each([
      ['the reserve', { fallbackReserveMs: 60_000 }, 60_000, 60_000],
      ['no more than half', { fallbackReserveMs: 600_000 }, 300_000, 270_000],
      ['20 ms without a setting, for a fallback that answers from memory', {}, 20, 20],
    ])('of the primary is earlier by %s', async (_what, reserve, mostMs, leastMs) => {
      const { server, guard } = await setUp({ fallbacks: registry(answering('fallback')), ...reserve });
      const deadlines: unknown[] = [];
      const behind: Interceptor = (options, nextCall) => {
        deadlines.push(options.deadline);
        return new InterceptingCall(nextCall(options));
      };
      const client = echoClient(server.address, { interceptors: [guard.interceptor, behind] });
      closers.push(() => client.close());
      const deadline = Date.now() + 600_000;
      await callUnary(client, 'a', { deadline });
      // Half of what is left when the call begins, a moment after its deadline was set.
      const earlierMs = deadline - Number(deadlines[0]);
      expect(earlierMs).toBeGreaterThanOrEqual(leastMs);
      expect(earlierMs).toBeLessThanOrEqual(mostMs);
    });

    it('is the default where the caller gives none', async () => {
      const { client, server, guard } = await setUp({ defaultDeadlineMs: 500 });
      await ready(client); // else it might pass before the connection is there
      server.handlers.unary = () => undefined;
      const ended = await callUnary(client, 'a');
      expect(ended.error?.code).toBe(status.DEADLINE_EXCEEDED);
      expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.failure).toBe(1);
    });

    it('too short to begin with is no evidence against the server, and has no fallback', async () => {
      const { client, server, guard } = await setUp({
        minimumDeadlineMs: 1_000,
        fallbacks: registry(answering('fallback')),
      });
      await callUnary(client, 'warm'); // a connection that is still being made has failures of its own
      server.handlers.unary = () => undefined;
      const ended = await callUnary(client, 'a', { deadline: Date.now() + 40 });
      expect(ended.error?.code).toBe(status.DEADLINE_EXCEEDED);
      expect(guard.circuit(echoService.unary).snapshot().totals.outcomes).toMatchObject({
        ignored: 1,
        failure: 0,
      });
    });
  });

  describe('cancel', () => {
    it('of the real call is ignored, and gets no fallback', async () => {
      const { client, server, guard } = await setUp({ fallbacks: registry(answering('fallback')) });
      let reach = () => {};
      const reached = new Promise<void>((resolve) => {
        reach = resolve;
      });
      server.handlers.unary = () => reach();
      const ended = await callUnary(client, 'a', {
        onCall: (call) => void reached.then(() => call.cancel()),
      });
      expect(ended.error?.code).toBe(status.CANCELLED);
      expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
        inFlight: 0,
        totals: { outcomes: { ignored: 1 } },
      });
    });

    it.each(['at once', 'later'])('of a fallback that runs aborts it (%s)', async (when) => {
      const aborted: string[] = [];
      const hanging: FallbackStrategy<Message, Message> = {
        name: 'secondary:hung',
        answer: ({ signal }) => {
          signal.addEventListener('abort', () => aborted.push(signal.reason.name));
          return new Promise(() => undefined);
        },
      };
      const { strategy, asked } = noting(hanging);
      const { client, guard } = await setUp({ fallbacks: registry(strategy) });
      using _held = guard.circuit(echoService.unary).isolate();
      const ended = await callUnary(client, 'a', {
        onCall: (call) => void (when === 'at once' ? call.cancel() : asked.then(() => call.cancel())),
      });
      expect(ended.error?.code).toBe(status.CANCELLED);
      expect(ended.events).toEqual(['error 1', 'status 1']);
      expect(aborted).toEqual(when === 'at once' ? [] : ['AbortError']);
    });

    it('after the status does nothing', async () => {
      const { client, guard } = await setUp();
      const ended = await callUnary(client, 'a', {
        onCall: (call) => call.on('status', () => call.cancel()),
      });
      expect(ended.value?.text).toBe('echo a');
      expect(guard.circuit(echoService.unary).snapshot().totals.outcomes).toMatchObject({
        success: 1,
        ignored: 0,
      });
    });
  });

  it('survives listeners that throw', async () => {
    const { client, server, guard } = await setUp({ fallbacks: registry(answering('fallback')) });
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.name);
    process.on('warning', onWarning);
    closers.push(() => process.removeListener('warning', onWarning));
    const heard: string[] = [];
    for (const event of ['transition', 'degraded'] as const) {
      guard.on(event, () => {
        throw new Error('a listener that throws');
      });
      const rejecting: unknown = () => Promise.reject(new Error('a listener that rejects'));
      guard.on(event, rejecting as () => void);
      guard.on(event, () => heard.push(event));
    }
    server.handlers.unary = failing(status.UNAVAILABLE);
    for (let n = 0; n < 3; n++) expect((await callUnary(client, 'a')).value?.text).toBe('fallback');
    expect(heard).toEqual(['degraded', 'transition', 'degraded', 'degraded']);
    // each listener is reported once, however often it throws
    await expect.poll(() => warnings.filter((name) => name === 'FailsoftWarning').length).toBe(4);
  });

  it('is unguarded after close', async () => {
    const { client, guard } = await setUp();
    guard.circuit(echoService.unary).isolate();
    await guard.close();
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
  });
});
