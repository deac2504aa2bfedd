import { type ClientOptions, status } from '@grpc/grpc-js';
import { failureRate, type Guard } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard, openFor } from '../../support/guard.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { type Hanging, hang } from './hanging.js';

const closers = closedAfterEach();
const ROUND_ROBIN = { round_robin: {} };

const tripping = (threshold: number) =>
  createGuard({
    clock: new ManualClock(),
    minimumDeadlineMs: 1,
    circuit: { ...openFor(60_000), trip: [failureRate({ threshold, minimumCalls: 20 })] },
  });

/** Three replicas, the third of them behind a proxy, and a client that has called each. */
async function replicas(guard: Guard, loadBalancing: object, options: ClientOptions = {}) {
  const servers = await Promise.all([startEchoServer(), startEchoServer(), startEchoServer()]);
  const [first, second, third] = servers;
  const proxy = await startTcpProxy(third.port);
  const client = echoClient(`ipv4:${first.address},${second.address},${proxy.address}`, {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [loadBalancing] }),
    interceptors: [guard.interceptor],
    ...options,
  });
  closers.push(
    ...servers.map((server) => () => server.close()),
    () => proxy.close(),
    () => client.close(),
    () => guard.close(),
  );
  const warmUp = { failsoft: { bypass: true } };
  while (servers.some(({ calls }) => calls.count === 0)) await callUnary(client, 'a', warmUp);
  /** The status codes of as many calls at a time, in order. */
  const call = async (count: number, deadlineMs: number): Promise<number[]> => {
    const deadline = Date.now() + deadlineMs;
    const ended = await Promise.all(
      Array.from({ length: count }, () => callUnary(client, 'a', { deadline })),
    );
    return ended.map(({ status: { code } }) => code).sort();
  };
  /** The same, where the time of the calls that hang is over as soon as all others are answered. */
  const callUntilAnswered = async (count: number, hanging: Hanging) => {
    let answered = 0;
    const calls = Array.from({ length: count }, () => callUnary(client, 'a').finally(() => answered++));
    await expect.poll(() => answered + hanging.count, { interval: 5 }).toBe(count);
    const hung = hanging.count;
    hanging.endTime();
    const ended = await Promise.all(calls);
    return { codes: ended.map(({ status: { code } }) => code).sort(), hung };
  };
  return { call, callUntilAnswered, third, proxy };
}

const codes = (ok: number, code: number, failed: number) => [
  ...Array<number>(ok).fill(status.OK),
  ...Array<number>(failed).fill(code),
];
const stateOf = (guard: Guard) => guard.circuit(echoService.unary).state;

describe('one of three replicas hangs behind round_robin', () => {
  it.each([
    [0.25, 'open'],
    [0.5, 'closed'],
  ])(
    'a failure rate of %d, below or above its third of the calls, has the circuit %s',
    async (threshold, state) => {
      const guard = tripping(threshold);
      const { callUntilAnswered, third } = await replicas(guard, ROUND_ROBIN);
      const ended = await callUntilAnswered(24, hang(third));
      expect(ended.codes).toEqual(codes(16, status.DEADLINE_EXCEEDED, 8));
      expect(stateOf(guard)).toBe(state);
    },
  );

  it('outlier detection, with its durations as objects, leaves it out: every call is answered', async () => {
    const guard = tripping(0.75);
    const { callUntilAnswered, third } = await replicas(guard, {
      outlier_detection: {
        interval: { seconds: 1, nanos: 0 },
        base_ejection_time: { seconds: 50, nanos: 0 },
        max_ejection_percent: 30, // one of three
        failure_percentage_ejection: { threshold: 50, minimum_hosts: 3, request_volume: 2 },
        child_policy: [ROUND_ROBIN],
      },
    });
    const hanging = hang(third);
    expect(await callUntilAnswered(9, hanging)).toEqual({
      codes: codes(6, status.DEADLINE_EXCEEDED, 3),
      hung: 3,
    });
    await expect
      .poll(() => callUntilAnswered(9, hanging), { timeout: 50_000 })
      .toEqual({ codes: codes(9, status.OK, 0), hung: 0 });
    expect(stateOf(guard)).toBe('closed');
  });

  it('keepalive does nothing for it: its connection answers pings', async () => {
    const guard = tripping(0.75);
    const keepalive = { 'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 2_000 };
    const { call, third } = await replicas(guard, ROUND_ROBIN, keepalive);
    hang(third);
    expect(await call(9, 3_500)).toEqual(codes(6, status.DEADLINE_EXCEEDED, 3));
  });

  it('keepalive ends the calls of a replica that is gone without a sign, and the next calls are answered', async () => {
    const guard = createGuard();
    const keepalive = { 'grpc.keepalive_time_ms': 300, 'grpc.keepalive_timeout_ms': 1_500 };
    const { call, proxy } = await replicas(guard, ROUND_ROBIN, keepalive);
    proxy.stall();
    // Long enough to be no cause.
    expect(await call(9, 40_000)).toEqual(codes(6, status.UNAVAILABLE, 3));
    expect(await call(9, 40_000)).toEqual(codes(9, status.OK, 0));
    expect(stateOf(guard)).toBe('closed');
  });
});
