import { Metadata, status } from '@grpc/grpc-js';
import type { GuardOptions } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import {
  callUnary,
  type EchoClient,
  echoClient,
  echoService,
  ready,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, neverTrip, openFor, tripAfter } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';

const closers = closedAfterEach();

async function setUp(options: GuardOptions) {
  const server = await startEchoServer();
  const guard = createGuard(options);
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  await ready(client);
  return { server, client, guard, circuit: guard.circuit(echoService.unary) };
}

/** A method that has taken 100 ms for as long as its circuit remembers, and takes for ever from now on. */
async function usually100ms(options: GuardOptions) {
  const clock = new ManualClock();
  const all = await setUp({ clock, ...options });
  const { server, client } = all;
  const echo = server.handlers.unary;
  server.handlers.unary = (call, callback) => {
    clock.advance(100);
    echo(call, callback);
  };
  // twenty, and the first, whose duration does not count: its connection is new
  for (let n = 0; n < 21; n++) await callUnary(client, 'a', { deadline: farAway() });
  server.handlers.unary = () => undefined;
  return { clock, echo, ...all };
}

/** Calls without a deadline of their own: `defaultDeadlineMs` begins with their admission, however late a busy machine makes it. */
const withDefaultDeadline = (client: EchoClient, count: number) =>
  Promise.all(Array.from({ length: count }, () => callUnary(client, 'a')));

const farAway = () => Date.now() + 60_000;

describe('a deadline far below what the method usually takes', () => {
  it('is no evidence against the server: one tenant does not open the circuit for all', async () => {
    const { client, circuit } = await usually100ms({ circuit: tripAfter(5), defaultDeadlineMs: 11 });
    const ended = await withDefaultDeadline(client, 50);
    expect(new Set(ended.map(({ error }) => error?.code))).toEqual(new Set([status.DEADLINE_EXCEEDED]));
    expect(circuit.snapshot()).toMatchObject({
      state: 'closed',
      inFlight: 0,
      totals: { outcomes: { success: 21, failure: 0, ignored: 50 } },
    });
  });

  it('does not decide about a half-open circuit', async () => {
    const { client, circuit, clock, server, echo } = await usually100ms({
      circuit: { ...tripAfter(5), ...openFor(1_000) },
      defaultDeadlineMs: 11,
    });
    server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
    for (let n = 0; n < 25; n++) await callUnary(client, 'a', { deadline: farAway() });
    expect(circuit.state).toBe('open');
    server.handlers.unary = () => undefined;
    clock.advance(1_000);
    await withDefaultDeadline(client, 1);
    expect(circuit.state).toBe('half-open');
    server.handlers.unary = echo;
    expect((await callUnary(client, 'a', { deadline: farAway() })).value?.text).toBe('echo a');
  });

  it('is evidence where the user says that it is', async () => {
    const { client, circuit } = await usually100ms({
      circuit: neverTrip(),
      minimumDeadlineMs: 1,
      defaultDeadlineMs: 11,
    });
    await withDefaultDeadline(client, 3);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 3, ignored: 0 });
  });

  it('is evidence as long as the usual latency is unknown', async () => {
    const { client, circuit, server } = await setUp({ circuit: neverTrip(), defaultDeadlineMs: 50 });
    server.handlers.unary = () => undefined;
    await withDefaultDeadline(client, 3);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 3, ignored: 0 });
  });
});

it('a deadline above what the method usually takes is evidence', async () => {
  const { client, circuit } = await usually100ms({ circuit: neverTrip(), defaultDeadlineMs: 250 });
  await withDefaultDeadline(client, 3);
  expect(circuit.snapshot().totals.outcomes).toMatchObject({ success: 21, failure: 3, ignored: 0 });
});

describe('minimumDeadlineMs', () => {
  // Of 200 ms the primary has 100: the other half is kept for the fallbacks.
  it.each([
    [150, { ignored: 1, failure: 0 }],
    [50, { ignored: 0, failure: 1 }],
  ])('is compared with what the primary was given (%d ms)', async (minimumDeadlineMs, outcomes) => {
    const { client, circuit, server } = await setUp({
      circuit: neverTrip(),
      fallbacks: decliningFallbacks(),
      fallbackReserveMs: 1_000,
      minimumDeadlineMs,
      defaultDeadlineMs: 200,
    });
    server.handlers.unary = () => undefined;
    const [ended] = await withDefaultDeadline(client, 1);
    expect(ended?.error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(circuit.snapshot().totals.outcomes).toMatchObject(outcomes);
  });

  it.each([
    [150, { ignored: 1, failure: 0 }],
    [50, { ignored: 0, failure: 1 }],
  ])('is so for the first message of a stream, too (%d ms)', async (minimumDeadlineMs, outcomes) => {
    const { client, guard, server } = await setUp({
      circuit: neverTrip(),
      fallbacks: decliningFallbacks(),
      fallbackReserveMs: 1_000,
      minimumDeadlineMs,
      methods: [{ match: echoService.serverStream.path, defaultDeadlineMs: 200 }],
    });
    server.handlers.serverStream = () => undefined;
    const call = client.serverStream({ text: 'a' }, new Metadata(), {});
    call.on('data', () => undefined).on('error', () => undefined);
    await new Promise((resolve) => call.on('status', resolve));
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes).toMatchObject(outcomes);
  });
});
