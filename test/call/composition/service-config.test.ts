import { Metadata, status } from '@grpc/grpc-js';
import { FallbackRegistry, type FinishedCall, type Guard } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard } from '../../support/guard.js';
import { OWN_HOST } from '../../support/own-host.js';

const closers = closedAfterEach();

async function servers(count: number) {
  const started = await Promise.all(Array.from({ length: count }, () => startEchoServer()));
  closers.push(...started.map((server) => () => server.close()));
  return started;
}

function guardedClient(target: string, serviceConfig: object, guard: Guard) {
  const client = echoClient(target, {
    interceptors: [guard.interceptor],
    'grpc.service_config': JSON.stringify(serviceConfig),
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 50,
  });
  closers.push(
    () => client.close(),
    () => guard.close(),
  );
  return client;
}

const forAll = (policy: object) => ({ methodConfig: [{ name: [{}], ...policy }] });
const unary = (guard: Guard) => guard.circuit(echoService.unary).snapshot();

describe('retryPolicy', () => {
  const retrying = forAll({
    retryPolicy: {
      maxAttempts: 3,
      initialBackoff: '0.01s',
      maxBackoff: '0.02s',
      backoffMultiplier: 1,
      retryableStatusCodes: ['UNAVAILABLE'],
    },
  });

  it('makes one call of several attempts, with one outcome', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const guard = createGuard();
    const client = guardedClient(server.address, retrying, guard);
    const echo = server.handlers.unary;
    const previous: unknown[] = [];
    server.handlers.unary = (call, callback) => {
      previous.push(call.metadata.get('grpc-previous-rpc-attempts')[0]);
      if (previous.length < 3) callback({ code: status.UNAVAILABLE, details: 'busy' });
      else echo(call, callback);
    };
    const ended = await callUnary(client, 'a');
    expect(ended.value?.text).toBe('echo a');
    expect(previous).toEqual([undefined, '1', '2']); // the server is told
    expect(ended.metadata.get('grpc-previous-rpc-attempts')).toEqual(['2']); // and the caller
    expect(unary(guard).totals).toMatchObject({ admitted: 1, outcomes: { success: 1, failure: 0 } });
  });

  it('counts one failure when no attempt succeeds', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const guard = createGuard();
    const client = guardedClient(server.address, retrying, guard);
    server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'busy' });
    expect((await callUnary(client, 'a')).error?.code).toBe(status.UNAVAILABLE);
    expect(server.calls.count).toBe(3);
    expect(unary(guard).totals).toMatchObject({ admitted: 1, outcomes: { failure: 1 } });
  });

  it('takes the time of all attempts for that of the call', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const clock = new ManualClock();
    const durations: number[] = [];
    const when = ({ durationMs }: FinishedCall) => durations.push(durationMs) < 0;
    const guard = createGuard({
      clock,
      classify: { rules: [{ code: status.UNAVAILABLE, when, outcome: 'failure' }] },
    });
    const client = guardedClient(server.address, retrying, guard);
    server.handlers.unary = (_call, callback) => {
      clock.advance(1_000);
      callback({ code: status.UNAVAILABLE, details: 'busy' });
    };
    await callUnary(client, 'a');
    expect(durations).toEqual([3_000]);
  });

  it('does not retry a rejection, which is no attempt', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const guard = createGuard();
    const client = guardedClient(server.address, retrying, guard);
    using _held = guard.circuit(echoService.unary).isolate();
    expect((await callUnary(client, 'a')).error?.code).toBe(status.UNAVAILABLE);
    expect(server.calls.count).toBe(0);
    expect(unary(guard).totals.rejected.ISOLATED).toBe(1);
  });
});

describe('hedgingPolicy', () => {
  it('makes one call of several attempts at a time, with one outcome', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const guard = createGuard();
    const hedging = forAll({ hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0.02s' } });
    const client = guardedClient(server.address, hedging, guard);
    const echo = server.handlers.unary;
    server.handlers.unary = (call, callback) => {
      if (server.calls.count > 1) echo(call, callback); // the first attempt hangs
    };
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(server.calls.count).toBeGreaterThan(1);
    expect(unary(guard).totals).toMatchObject({ admitted: 1, outcomes: { success: 1 } });
  });
});

describe('wait-for-ready', () => {
  it('holds one permit while it waits for the server', async () => {
    const first = await startEchoServer({}, { host: OWN_HOST });
    first.close();
    const guard = createGuard();
    const client = guardedClient(first.address, {}, guard);
    const metadata = new Metadata({ waitForReady: true });
    const waiting = callUnary(client, 'a', { metadata });
    const failed = await callUnary(client, 'a'); // that one does not wait
    expect(failed.error?.code).toBe(status.UNAVAILABLE);
    expect(unary(guard).inFlight).toBe(1);
    const server = await startEchoServer({}, { host: OWN_HOST, port: first.port });
    closers.push(() => server.close());
    expect((await waiting).value?.text).toBe('echo a');
    expect(unary(guard)).toMatchObject({ inFlight: 0, totals: { outcomes: { success: 1, failure: 1 } } });
  });
});

describe('wait-for-ready without a server', () => {
  it('ends at the deadline that the guard gives calls without one', async () => {
    const first = await startEchoServer({}, { host: OWN_HOST });
    first.close();
    const guard = createGuard({ defaultDeadlineMs: 60 });
    const client = guardedClient(first.address, {}, guard);
    const ended = await callUnary(client, 'a', { metadata: new Metadata({ waitForReady: true }) });
    expect(ended.error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(unary(guard)).toMatchObject({ inFlight: 0, totals: { outcomes: { failure: 1 } } });
  });
});

describe('timeout', () => {
  it('ends a call before its deadline, and counts against the server; its fallback has the remaining time', async () => {
    const [server] = await servers(1);
    if (server === undefined) throw new Error('no server');
    const left: number[] = [];
    const guard = createGuard({
      fallbacks: new FallbackRegistry().register(echoService.unary, [
        {
          name: 'default',
          answer: ({ remainingMs }) => {
            left.push(remainingMs);
            return { message: { text: 'fallback' }, source: 'default' };
          },
        },
      ]),
    });
    const client = guardedClient(server.address, forAll({ timeout: '0.1s' }), guard);
    server.handlers.unary = () => undefined;
    const ended = await callUnary(client, 'a', { deadline: Date.now() + 600_000 });
    expect(ended.value?.text).toBe('fallback');
    expect(left[0]).toBeGreaterThan(60_000);
    expect(unary(guard).totals.outcomes.failure).toBe(1);
  });
});

describe('round_robin and outlier_detection', () => {
  const target = (started: readonly { port: number }[]) =>
    `ipv4:${started.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

  it('round_robin: one circuit for all addresses of a method', async () => {
    const started = await servers(2);
    const guard = createGuard();
    const client = guardedClient(target(started), { loadBalancingConfig: [{ round_robin: {} }] }, guard);
    await expect
      .poll(async () => {
        await callUnary(client, 'a');
        return started.every(({ calls }) => calls.count > 0);
      })
      .toBe(true);
    const made = started.reduce((sum, { calls }) => sum + calls.count, 0);
    expect(guard.snapshots()).toHaveLength(1);
    expect(unary(guard).totals.outcomes.success).toBe(made);
  });

  it.each<[string, object, (call: unknown, callback: (error: object) => void) => void]>([
    [
      'retryPolicy asks another address when one fails',
      {
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: '0.01s',
          maxBackoff: '0.02s',
          backoffMultiplier: 1,
          retryableStatusCodes: ['UNAVAILABLE'],
        },
      },
      (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'down' }),
    ],
    [
      'hedgingPolicy asks another address when one hangs',
      { hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0.02s' } },
      () => {},
    ],
  ])('%s, and the circuit counts what the caller got', async (_what, policy, bad) => {
    const started = await servers(3);
    const guard = createGuard();
    const config = { loadBalancingConfig: [{ round_robin: {} }], ...forAll(policy) };
    const client = guardedClient(target(started), config, guard);
    await expect
      .poll(async () => {
        await callUnary(client, 'a');
        return started.every(({ calls }) => calls.count > 0);
      })
      .toBe(true);
    const before = unary(guard).totals.outcomes.success;
    const [first] = started;
    if (first === undefined) throw new Error('no server');
    const reached = first.calls.count;
    first.handlers.unary = bad;
    for (let call = 0; call < 9; call++)
      expect((await callUnary(client, 'a', { deadline: Date.now() + 20_000 })).value?.text).toBe('echo a');
    expect(first.calls.count).toBeGreaterThan(reached); // the bad address was asked
    expect(unary(guard).totals.outcomes).toMatchObject({ success: before + 9, failure: 0 });
  });

  it('outlier_detection takes a bad address out, and the circuit of the method stays closed', async () => {
    const started = await servers(2);
    const [bad, good] = started;
    if (bad === undefined || good === undefined) throw new Error('no servers');
    const guard = createGuard({
      circuit: { trip: [{ rule: 'failure-rate', threshold: 0.9, minimumCalls: 20 }] },
    });
    const ejecting = {
      interval: { seconds: 0, nanos: 50_000_000 },
      base_ejection_time: { seconds: 60, nanos: 0 },
      max_ejection_percent: 50,
      failure_percentage_ejection: { threshold: 50, minimum_hosts: 2, request_volume: 1 },
      child_policy: [{ round_robin: {} }],
    };
    const client = guardedClient(
      target(started),
      { loadBalancingConfig: [{ outlier_detection: ejecting }] },
      guard,
    );
    // First both are known to be good; else the bad one would be all there is.
    await expect
      .poll(async () => {
        await callUnary(client, 'a');
        return started.every(({ calls }) => calls.count > 0);
      })
      .toBe(true);
    const echoed = bad.calls.count;
    bad.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'broken' });
    // Ejected: ten calls in a row go to the good address.
    await expect
      .poll(
        async () => {
          const before = bad.calls.count;
          for (let n = 0; n < 10; n++) await callUnary(client, 'a');
          return before > echoed && bad.calls.count === before;
        },
        { timeout: 50_000 },
      )
      .toBe(true);
    expect(unary(guard).state).toBe('closed');
    expect(unary(guard).totals.outcomes).toMatchObject({
      failure: bad.calls.count - echoed,
      success: good.calls.count + echoed,
    });
  });

  it('outlier_detection with a duration as text is dropped by grpc-js, together with round_robin', async () => {
    const started = await servers(2);
    const child_policy = [{ round_robin: {} }];
    const config = { loadBalancingConfig: [{ outlier_detection: { interval: '10s', child_policy } }] };
    const client = guardedClient(target(started), config, createGuard());
    for (let n = 0; n < 20; n++) expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(started.map(({ calls }) => calls.count).sort()).toEqual([0, 20]);
  });
});
