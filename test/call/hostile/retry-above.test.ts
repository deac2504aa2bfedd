import { type Interceptor, status } from '@grpc/grpc-js';
import { circuitRejectionOf } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard, openFor, tripAfter } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';
import { retrying } from '../../support/retrying.js';

const closers = closedAfterEach();
const PUSHBACK = 'grpc-retry-pushback-ms';
const OPEN_MS = 30_000;

/**
 * Makes a unary call up to five times where it is UNAVAILABLE, unless the trailers say how long to wait (gRFC A6): a wait
 * is noted in place of being waited for, and a negative one ends it.
 */
function patient(seen: { count: number; waits: string[] }): Interceptor {
  return retrying(({ code, metadata }, attempts) => {
    seen.count = attempts;
    const wait = metadata.get(PUSHBACK)[0];
    if (wait !== undefined) seen.waits.push(String(wait));
    return code === status.UNAVAILABLE && wait === undefined && attempts < 5;
  });
}

async function withOpenCircuit(above: Interceptor[] = [], fallbacks = false) {
  const clock = new ManualClock();
  const server = await startEchoServer({
    unary: (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'down' }),
  });
  const guard = createGuard({
    clock,
    circuit: { ...tripAfter(1), ...openFor(OPEN_MS) },
    ...(fallbacks && { fallbacks: decliningFallbacks() }),
  });
  const opener = echoClient(server.address, { interceptors: [guard.interceptor] });
  const client = echoClient(server.address, { interceptors: [...above, guard.interceptor] });
  closers.push(
    () => server.close(),
    () => opener.close(),
    () => client.close(),
    () => guard.close(),
  );
  const failed = await callUnary(opener, 'a');
  expect(guard.circuit(echoService.unary).state).toBe('open');
  return { clock, client, guard, failed };
}

describe("a rejection's trailers", () => {
  it.each([false, true])(
    'say how long to wait, where the caller has that long (fallbacks: %s)',
    async (fallbacks) => {
      const { client, clock } = await withOpenCircuit([], fallbacks);
      for (const deadline of [undefined, Date.now() + 10 * OPEN_MS, new Date(Date.now() + 10 * OPEN_MS)]) {
        const { error } = await callUnary(client, 'a', deadline === undefined ? {} : { deadline });
        const told = error?.metadata.get(PUSHBACK);
        expect(told).toEqual([expect.stringMatching(/^\d+$/)]);
        expect(Number(told?.[0])).toBe(circuitRejectionOf(error)?.retryAfterMs);
      }
      clock.advance(OPEN_MS / 2);
      const { error } = await callUnary(client, 'a');
      expect(Number(error?.metadata.get(PUSHBACK)[0])).toBe(OPEN_MS / 2);
    },
  );

  it.each([false, true])(
    'say that no retry can help, where the deadline comes first (fallbacks: %s)',
    async (fallbacks) => {
      const { client } = await withOpenCircuit([], fallbacks);
      for (const deadline of [Date.now() + OPEN_MS / 2, new Date(Date.now() + OPEN_MS / 2)]) {
        const { error } = await callUnary(client, 'a', { deadline });
        expect(circuitRejectionOf(error)?.reason).toBe('CIRCUIT_OPEN');
        expect(error?.metadata.get(PUSHBACK)).toEqual(['-1']);
      }
    },
  );

  it('never ask for a retry at once where it is unknown when a retry helps', async () => {
    const { client, guard } = await withOpenCircuit();
    using _held = guard.circuit(echoService.unary).isolate();
    const { error } = await callUnary(client, 'a');
    expect(circuitRejectionOf(error)?.reason).toBe('ISOLATED');
    expect(error?.metadata.get(PUSHBACK)).toEqual(['-1']);
  });

  it("are the rejection's alone: a server's own failure keeps its own", async () => {
    const { failed } = await withOpenCircuit();
    expect(failed.error?.metadata.get(PUSHBACK)).toEqual([]);
  });
});

describe('an interceptor above the guard that tries again', () => {
  it('makes no further attempt of a rejected call that no attempt can help', async () => {
    const attempts = { count: 0, waits: [] };
    const { client } = await withOpenCircuit([patient(attempts)]);
    const { error } = await callUnary(client, 'a', { deadline: Date.now() + OPEN_MS / 2 });
    expect(circuitRejectionOf(error)?.reason).toBe('CIRCUIT_OPEN');
    expect(attempts).toEqual({ count: 1, waits: ['-1'] });
  });

  it('waits as long as the trailers say', async () => {
    const attempts = { count: 0, waits: [] };
    const { client } = await withOpenCircuit([patient(attempts)]);
    await callUnary(client, 'a');
    expect(attempts).toEqual({ count: 1, waits: [String(OPEN_MS)] });
  });
});
