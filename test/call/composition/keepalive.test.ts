import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard } from '../../support/guard.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';

const closers = closedAfterEach();

describe('keepalive', () => {
  it('ends the calls of a connection that is silently dead; they count as one failure, and the next call connects again', async () => {
    const server = await startEchoServer();
    const proxy = await startTcpProxy(server.port);
    const guard = createGuard();
    const client = echoClient(proxy.address, {
      interceptors: [guard.interceptor],
      'grpc.keepalive_time_ms': 300,
      'grpc.keepalive_timeout_ms': 700,
    });
    closers.push(
      () => server.close(),
      () => proxy.close(),
      () => client.close(),
      () => guard.close(),
    );
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    proxy.stall();
    // Long enough to be no cause: without keepalive, the calls would wait for it.
    const options = { deadline: Date.now() + 40_000 };
    const lost = await Promise.all(['b', 'c', 'd'].map((text) => callUnary(client, text, options)));
    expect(lost.map(({ error }) => error?.code)).toEqual(Array(3).fill(status.UNAVAILABLE));
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      totals: { outcomes: { failure: 3 }, correlated: 2 },
    });
    expect((await callUnary(client, 'e', options)).value?.text).toBe('echo e');
  });
});
