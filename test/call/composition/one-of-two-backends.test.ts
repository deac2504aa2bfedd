import { defaultPrediction, FallbackRegistry, failureRate, type GuardOptions } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  type EchoClient,
  echoClient,
  echoService,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, openFor } from '../../support/guard.js';
import { hang } from './hanging.js';

const closers = closedAfterEach();
const CALLS = 24;
const roundRobin = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

async function startBackends() {
  const healthy = await startEchoServer();
  const sick = await startEchoServer();
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

/** Makes many calls at once, and counts the answers. */
function callOften(client: EchoClient) {
  const texts: (string | undefined)[] = [];
  const ended = Array.from({ length: CALLS }, () =>
    callUnary(client, 'a').then(({ value }) => texts.push(value?.text)),
  );
  const count = (text: string) => texts.filter((each) => each === text).length;
  return { ended: Promise.all(ended), count };
}

/** Calls both through one client, and tells who answered. */
async function balanced(options: GuardOptions, softDeadlineMs = 0) {
  const { healthy, sick } = await startBackends();
  const clock = new ManualClock();
  const guard = createGuard({ clock, ...options });
  const client = echoClient(`ipv4:${healthy.address},${sick.address}`, {
    'grpc.service_config': roundRobin,
    interceptors: [guard.interceptor],
  });
  closers.push(() => client.close());
  while (healthy.calls.count === 0 || sick.calls.count === 0)
    await callUnary(client, 'connects', { failsoft: { bypass: true } });
  const hanging = hang(sick);
  const { ended, count } = callOften(client);
  await expect.poll(() => [count('echo a'), hanging.count]).toEqual([CALLS / 2, CALLS / 2]);
  clock.advance(softDeadlineMs);
  if (softDeadlineMs > 0) await ended; // although the time of the calls that hang is not over
  hanging.endTime();
  await ended;
  const circuit = guard.circuit(echoService.unary);
  await expect.poll(() => circuit.inFlight).toBe(0);
  return { state: circuit.state, primary: count('echo a'), fallback: count('default') };
}

describe('one of two backends hangs behind round_robin', () => {
  it('and opens the circuit of both at a failure rate of a half', async () => {
    const ended = await balanced({ circuit: trippingAt(0.5) });
    expect(ended).toEqual({ state: 'open', primary: CALLS / 2, fallback: 0 });
  });

  it('and opens no circuit above a half; a soft deadline answers the calls that hang', async () => {
    const fallbacks = new FallbackRegistry().register(echoService.unary, [
      defaultPrediction({ text: 'default' }),
    ]);
    const settings = { circuit: trippingAt(0.75), fallbacks, fallbackAfterMs: 150 };
    const ended = await balanced(settings, 150);
    expect(ended).toEqual({ state: 'closed', primary: CALLS / 2, fallback: CALLS / 2 });
  });

  it('and has a circuit of its own with a client per address', async () => {
    const { healthy, sick } = await startBackends();
    const guard = createGuard({ clock: new ManualClock(), circuit: trippingAt(0.5) });
    const hanging = hang(sick);
    const calls = [healthy, sick].map(({ address }) => {
      const client = echoClient(address, { interceptors: [guard.forTarget(address)] });
      closers.push(() => client.close());
      return callOften(client).ended;
    });
    await expect.poll(() => hanging.count).toBe(CALLS);
    hanging.endTime();
    await Promise.all(calls);
    const stateOf = (address: string) => guard.circuit(`${address}${echoService.unary.path}`).state;
    expect([stateOf(healthy.address), stateOf(sick.address)]).toEqual(['closed', 'open']);
  });
});
