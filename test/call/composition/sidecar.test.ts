import { createServer, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { defaultPrediction, FallbackRegistry, type Outcome } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService } from '../../support/echo-service.js';
import { createGuard } from '../../support/guard.js';

const closers = closedAfterEach();

/** A proxy that has no server behind it, and answers by itself. */
async function startProxy(answer: (stream: ServerHttp2Stream) => void): Promise<string> {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As Envoy answers a gRPC call itself: headers and trailers in one. */
const envoy = (code: number, message: string, more: OutgoingHttpHeaders = {}) => ({
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-status': `${code}`,
  'grpc-message': encodeURIComponent(message),
  server: 'envoy',
  ...more,
});
/** As a proxy answers that knows nothing of gRPC. */
const http = (code: number) => ({ ':status': code, 'content-type': 'text/html', server: 'nginx' });

const RESET = 'upstream connect error or disconnect/reset before headers.';

describe('a proxy that answers by itself', () => {
  it.each<[string, OutgoingHttpHeaders, number, Outcome]>([
    ['no connection to the server', envoy(14, `${RESET} reset reason: connection failure`), 14, 'failure'],
    ['its connection was reset', envoy(14, `${RESET} reset reason: connection termination`), 14, 'failure'],
    ['no healthy server', envoy(14, 'no healthy upstream'), 14, 'failure'],
    ['its own time limit', envoy(14, 'upstream request timeout'), 14, 'failure'],
    ["the stream's time limit", envoy(4, 'upstream max stream duration reached'), 4, 'failure'],
    [
      'its limit of requests',
      envoy(14, `${RESET} reset reason: overflow`, { 'x-envoy-overloaded': 'true' }),
      14,
      'overload',
    ],
    ['its rate limit', envoy(14, 'local_rate_limited', { 'x-envoy-ratelimited': 'true' }), 14, 'overload'],
    ['its rate limit, as gRPC has it', envoy(8, 'rate limited'), 8, 'overload'],
    ['access denied', envoy(7, 'RBAC: access denied'), 7, 'caller-error'],
    ['no such route', envoy(12, ''), 12, 'caller-error'],
    ['HTTP 503', http(503), 14, 'failure'],
    ['HTTP 502', http(502), 14, 'failure'],
    ['HTTP 504', http(504), 14, 'failure'],
    ['HTTP 429', http(429), 14, 'failure'],
    ['HTTP 404', http(404), 12, 'caller-error'],
    ['HTTP 403', http(403), 7, 'caller-error'],
    ['HTTP 401', http(401), 16, 'caller-error'],
    ['HTTP 500', http(500), 2, 'failure'],
  ])('%s', async (_what, headers, code, outcome) => {
    const address = await startProxy((stream) => stream.respond(headers, { endStream: true }));
    const guard = createGuard();
    const client = echoClient(address, { interceptors: [guard.interceptor] });
    closers.push(
      () => client.close(),
      () => guard.close(),
    );
    const { error } = await callUnary(client, 'a', { deadline: Date.now() + 20_000 });
    expect(error?.code).toBe(code);
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes).toMatchObject({ [outcome]: 1 });
  });

  it('opens the circuit like the server that it hides, and the fallbacks answer', async () => {
    let answered = 0;
    const address = await startProxy((stream) => {
      answered++;
      stream.respond(envoy(14, 'no healthy upstream'), { endStream: true });
    });
    const fallbacks = new FallbackRegistry().register(echoService.unary, [
      defaultPrediction({ text: 'default' }),
    ]);
    const guard = createGuard({ fallbacks });
    const client = echoClient(address, { interceptors: [guard.interceptor] });
    closers.push(
      () => client.close(),
      () => guard.close(),
    );
    for (let call = 0; call < 25; call++)
      expect((await callUnary(client, 'a', { deadline: Date.now() + 20_000 })).value?.text).toBe('default');
    expect(guard.circuit(echoService.unary).state).toBe('open');
    expect(answered).toBeLessThan(25);
  });
});
