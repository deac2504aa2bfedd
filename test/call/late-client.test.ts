import { readFileSync } from 'node:fs';
import { credentials, ServerCredentials, status } from '@grpc/grpc-js';
import { slowRate } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../support/echo-service.js';
import { capabilities, createGuard, openFor, tripAfter } from '../support/guard.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const CALLS = 10;
const closers = closedAfterEach();

/** The drills' certificate, which is for localhost. */
const [certificate, key] = ['crt', 'key'].map((end) =>
  readFileSync(new URL(`../../drill/tls/drill.${end}`, import.meta.url)),
);
if (certificate === undefined || key === undefined) throw new Error('no certificate');
const TLS = {
  server: ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: certificate }]),
  client: credentials.createSsl(certificate),
};
const PLAIN = { server: undefined, client: undefined };

async function setUp(
  circuit: Parameters<typeof createGuard>[0] = {},
  delayMs = 0,
  tls: typeof TLS | typeof PLAIN = PLAIN,
) {
  const server = await startEchoServer({}, tls.server && { tls: tls.server });
  const proxy = await startTcpProxy(Number(server.address.split(':')[1]), delayMs);
  const guard = createGuard(circuit);
  const options = { interceptors: [guard.interceptor], 'grpc.ssl_target_name_override': 'localhost' };
  const client = echoClient(proxy.address, options, tls.client);
  closers.push(
    () => server.close(),
    () => proxy.close(),
    () => guard.close(),
    () => client.close(),
  );
  return { server, proxy, client, circuit: guard.circuit(echoService.unary) };
}

/** Synchronous work, as a garbage collection is. */
function standStill(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describe('a client whose event loop stands still', () => {
  it('does not trip by the calls that time out meanwhile', async () => {
    const { server, client, circuit } = await setUp({ circuit: tripAfter(5) });
    await callUnary(client, 'first');
    // a machine under load may have stalled already
    const before = circuit.snapshot().totals.stalled;
    server.handlers.unary = (call, callback) => {
      setTimeout(() => callback(null, { text: call.request.text }), 100);
    };
    const deadline = Date.now() + 200;
    const calls = Array.from({ length: CALLS }, () => callUnary(client, 'a', { deadline }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    standStill(400);
    for (const { error } of await Promise.all(calls)) expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(circuit.snapshot()).toMatchObject({
      state: 'closed',
      window: { calls: 1 },
      totals: { stalled: before + CALLS },
    });
    // and a server that hangs is noticed by the next calls, of which a busy machine's own standstills excuse some
    server.handlers.unary = () => undefined;
    for (let n = 0; n < 400 && circuit.state === 'closed'; n++)
      await callUnary(client, 'a', { deadline: Date.now() + 50 });
    expect(circuit.state).toBe('open');
  });
});

if (capabilities.tripRules.has('slow-rate')) {
  describe('a connection that takes long', () => {
    const slow = { trip: [slowRate({ threshold: 0.5, slowThresholdMs: 150, minimumCalls: 5 })] };

    it.each([
      ['', PLAIN],
      [' with TLS', TLS],
    ])('is no latency of the model, neither at the start nor after a loss%s', async (_how, tls) => {
      const { server, proxy, client, circuit } = await setUp({ circuit: slow }, 200, tls);
      for (let round = 1; round <= 2; round++) {
        const calls = Array.from({ length: CALLS }, () => callUnary(client, 'a'));
        for (const { error } of await Promise.all(calls)) expect(error).toBeUndefined();
        expect(circuit.snapshot()).toMatchObject({
          state: 'closed',
          window: { slowRate: 0 },
          totals: { connecting: CALLS * round, correlated: 0 },
        });
        const echo = server.handlers.unary;
        server.handlers.unary = () => proxy.drop();
        await callUnary(client, 'a');
        server.handlers.unary = echo;
      }
    });
  });
}

if (capabilities.ignoredProbes) {
  it('a probe that finds no connection is given back, and the next call is the probe', async () => {
    const { server, proxy, client, circuit } = await setUp({
      circuit: { ...tripAfter(3), ...openFor(1) },
    });
    proxy.close();
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    expect(circuit.snapshot()).toMatchObject({ openings: 1, totals: { notSent: 3 } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (let n = 0; n < 4; n++) expect((await callUnary(client, 'a')).error?.code).toBe(status.UNAVAILABLE);
    expect(circuit.snapshot()).toMatchObject({ state: 'half-open', openings: 1, totals: { notSent: 7 } });
    expect(server.calls.count).toBe(0);
  });
}
