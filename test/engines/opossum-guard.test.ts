import { status } from '@grpc/grpc-js';
import {
  circuitRejectionOf,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  failureRate,
  type GuardOptions,
  provenanceOf,
  type WarningEvent,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { ManualClock } from 'failsoft/testing';
import PrometheusMetrics from 'opossum-prometheus';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../support/echo-service.js';

const closers = closedAfterEach();

/** A real server and a client whose guard runs on opossum; half of four calls trip it for a second. */
async function setUp(options: GuardOptions = {}) {
  const engine = opossumEngine({ resetTimeout: 1000, rollingCountTimeout: 10_000 });
  const clock = new ManualClock(1_000_000);
  const server = await startEchoServer();
  const guard = createGuard({
    engine,
    clock,
    circuit: { trip: [failureRate({ threshold: 0.5, minimumCalls: 4 })] },
    ...options,
  });
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const isDown = (down: boolean) => {
    server.handlers.unary = (call, callback) =>
      down
        ? callback({ code: status.UNAVAILABLE, details: 'down' })
        : callback(null, { text: `echo ${call.request.text}` });
  };
  return { engine, clock, server, guard, client, isDown };
}

describe('a guard on the opossum engine, over a real server', () => {
  it('reports a listener of a breaker that throws', async () => {
    const { engine, guard, client } = await setUp();
    engine.onBreaker((breaker) =>
      breaker.on('success', () => {
        throw new Error('a bug of the user');
      }),
    );
    const seen: WarningEvent[] = [];
    guard.on('warning', (event) => seen.push(event));
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    expect(seen.map(({ source, count }) => [source, count])).toEqual(
      [1, 2, 3].map((count) => ["a listener of 'success' on a breaker", count]),
    );
  });

  it('trips, answers with the default, probes once and recovers', async () => {
    const fallbacks = new FallbackRegistry().register(echoService.unary, [
      defaultPrediction({ text: 'default' }, { when: 'rejected' }),
    ]);
    const { engine, clock, server, guard, client, isDown } = await setUp({ fallbacks });
    const story: string[] = [];
    guard.on('transition', ({ from, to, reason }) => story.push(`${from} -> ${to}: ${reason}`));

    isDown(true);
    for (let n = 0; n < 4; n++) {
      expect((await callUnary(client, 'a')).events).toContain(`status ${status.UNAVAILABLE}`);
    }
    expect([...engine.breakers.values()].map(({ opened }) => opened)).toEqual([true]);

    const reached = server.calls.count;
    const degraded = await callUnary(client, 'a');
    expect(degraded.events).toEqual(['metadata', 'value default', 'status 0']);
    expect(provenanceOf(degraded.metadata)).toMatchObject({ source: 'default', cause: 'CIRCUIT_OPEN' });
    expect(server.calls.count, 'the network is not touched').toBe(reached);

    clock.advance(1000);
    await callUnary(client, 'a'); // the probe, and still down
    expect(server.calls.count).toBe(reached + 1);
    isDown(false);
    clock.advance(1000);
    expect((await callUnary(client, 'a')).events).toEqual(['metadata', 'value echo a', 'status 0']);
    expect(story).toEqual([
      'closed -> open: failure-rate 1.00 >= 0.50 over 4 calls',
      'open -> half-open: open time is over',
      'half-open -> open: the probe failed',
      'open -> half-open: open time is over',
      'half-open -> closed: the probe succeeded',
    ]);
    expect(guard.snapshots()).toMatchObject([
      {
        engine: 'opossum',
        state: 'closed',
        inFlight: 0,
        totals: { opened: 2, rejected: { CIRCUIT_OPEN: 1 } },
      },
    ]);
  });

  it('rejects with UNAVAILABLE and the reason where no fallback answers', async () => {
    const { client, isDown } = await setUp();
    isDown(true);
    for (let n = 0; n < 4; n++) await callUnary(client, 'a');
    const { error } = await callUnary(client, 'a');
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(circuitRejectionOf(error)).toMatchObject({ reason: 'CIRCUIT_OPEN', retryAfterMs: 1000 });
  });

  it("a caller's errors do not trip it", async () => {
    const { client, server, guard } = await setUp();
    server.handlers.unary = (_call, callback) => callback({ code: status.INVALID_ARGUMENT, details: 'bad' });
    for (let n = 0; n < 10; n++) await callUnary(client, 'a');
    expect(guard.circuit(echoService.unary).state).toBe('closed');
  });

  it('an option that opossum does not support is an error when the guard is made, and names the option and the engine', () => {
    const make = () =>
      createGuard({ engine: opossumEngine(), methods: [{ match: '*', circuit: { recovering: {} } }] });
    expect(make).toThrow(
      expect.objectContaining({
        code: 'FAILSOFT_UNSUPPORTED',
        message: 'options.methods[0].circuit.recovering: engine opossum does not support {}',
      }),
    );
  });
});

describe('opossum-prometheus', () => {
  it('counts what happens on the breakers of a guard', async () => {
    const { engine, clock, client, isDown } = await setUp();
    const metrics = new PrometheusMetrics();
    closers.push(() => metrics.clear());
    engine.onBreaker((breaker) => metrics.add(breaker));

    await callUnary(client, 'a');
    isDown(true);
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    for (let n = 0; n < 5; n++) await callUnary(client, 'a');
    clock.advance(1000);
    isDown(false);
    await callUnary(client, 'a');

    const count = (event: string) => {
      const line = metrics.metrics
        .split('\n')
        .find((text) => text.startsWith('circuit{') && text.includes(`event="${event}"`));
      return Number(line?.split(' ').at(-1));
    };
    expect(metrics.metrics).toContain(`name="${echoService.unary.path}"`);
    expect({
      fire: count('fire'),
      success: count('success'),
      failure: count('failure'),
      reject: count('reject'),
      open: count('open'),
      halfOpen: count('halfOpen'),
      close: count('close'),
    }).toEqual({ fire: 10, success: 2, failure: 3, reject: 5, open: 1, halfOpen: 1, close: 1 });
    expect(metrics.metrics).toMatch(/circuit_perf_count\{[^}]*event="failure"[^}]*\} 3/);
  });
});
