import { defaultPrediction, FallbackRegistry, failureRate, type GuardOptions } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, ready, startEchoServer } from '../../support/echo-service.js';
import { createGuard, openFor } from '../../support/guard.js';

const closers = closedAfterEach();
const CALLS = 24;
const DEADLINE_MS = 400;
const roundRobin = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

/** Two backends, of which the second takes calls and answers none. */
async function startBackends() {
  const healthy = await startEchoServer();
  const sick = await startEchoServer({ unary: () => undefined });
  closers.push(
    () => healthy.close(),
    () => sick.close(),
  );
  return { healthy, sick };
}

const trippingAt = (threshold: number) => ({
  ...openFor(60_000),
  trip: [failureRate({ threshold, minimumCalls: 20 })],
});

/** Calls both through one client, and tells who answered. */
async function balanced(options: GuardOptions) {
  const { healthy, sick } = await startBackends();
  const guard = createGuard({ minimumDeadlineMs: 1, ...options });
  const client = echoClient(`ipv4:${healthy.address},${sick.address}`, {
    'grpc.service_config': roundRobin,
    interceptors: [guard.interceptor],
  });
  closers.push(() => client.close());
  await ready(client);
  while (healthy.calls.count === 0 || sick.calls.count === 0)
    await callUnary(client, 'connects', { deadline: Date.now() + 50, failsoft: { bypass: true } });
  const deadline = Date.now() + DEADLINE_MS;
  const ended = await Promise.all(Array.from({ length: CALLS }, () => callUnary(client, 'a', { deadline })));
  const circuit = guard.circuit(echoService.unary);
  while (circuit.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const count = (text: string) => ended.filter(({ value }) => value?.text === text).length;
  return { state: circuit.state, primary: count('echo a'), fallback: count('default') };
}

describe('one of two backends hangs behind round_robin', () => {
  it('and opens the circuit of both at a failure rate of a half', async () => {
    const { state, primary } = await balanced({ circuit: trippingAt(0.5) });
    expect(state).toBe('open');
    expect(primary).toBeLessThanOrEqual(CALLS / 2);
  });

  it('and opens no circuit above a half; a soft deadline answers the calls that hang', async () => {
    const fallbacks = new FallbackRegistry().register(echoService.unary, [
      defaultPrediction({ text: 'default' }),
    ]);
    const settings = { circuit: trippingAt(0.75), fallbacks, fallbackAfterMs: 150 };
    const { state, primary, fallback } = await balanced(settings);
    expect([state, primary + fallback]).toEqual(['closed', CALLS]);
    expect(fallback).toBeGreaterThanOrEqual(CALLS / 2);
  });

  it('and has a circuit of its own with a client per address', async () => {
    const { healthy, sick } = await startBackends();
    const guard = createGuard({ minimumDeadlineMs: 1, circuit: trippingAt(0.5) });
    const clients = [healthy, sick].map(({ address }) =>
      echoClient(address, { interceptors: [guard.forTarget(address)] }),
    );
    closers.push(...clients.map((client) => () => client.close()));
    await Promise.all(clients.map(ready));
    const deadline = Date.now() + DEADLINE_MS;
    const calls = clients.flatMap((client) =>
      Array.from({ length: CALLS }, () => callUnary(client, 'a', { deadline })),
    );
    await Promise.all(calls);
    const stateOf = (address: string) => guard.circuit(`${address}${echoService.unary.path}`).state;
    expect([stateOf(healthy.address), stateOf(sick.address)]).toEqual(['closed', 'open']);
  });
});
