import { InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { FallbackRegistry, type GuardOptions, isFailsoftError } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';
import { observe } from './two-clients.js';

const closers = closedAfterEach();

/** A guarded client, and the deadlines that its calls have behind the guard. */
async function setUp(options: GuardOptions) {
  const server = await startEchoServer();
  const deadlines: unknown[] = [];
  const noting: Interceptor = (call, nextCall) => {
    deadlines.push(call.deadline);
    return new InterceptingCall(nextCall(call));
  };
  const guard = createGuard({ circuit: neverTrip(), ...options });
  const client = echoClient(server.address, { interceptors: [guard.interceptor, noting] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, client, guard, deadlines };
}

const isNone = (deadline: unknown) =>
  deadline === undefined || deadline === null || deadline === Number.POSITIVE_INFINITY;
const isStream = (kind: Kind) => kind !== 'unary';

describe('defaultDeadlineMs', () => {
  it.each(KINDS.filter(isStream))('is no deadline of a %s call', async (kind) => {
    const { client, deadlines } = await setUp({ defaultDeadlineMs: 60_000 });
    expect((await observe(client, kind)).code).toBe(status.OK);
    expect(deadlines.map(isNone)).toEqual([true]);
  });

  it('ends no healthy stream', async () => {
    const { client, server, guard } = await setUp({ defaultDeadlineMs: 50 });
    server.handlers.serverStream = (call) => {
      call.write({ text: 'first' });
      setTimeout(() => {
        call.write({ text: 'last' });
        call.end();
      }, 150);
    };
    expect((await observe(client, 'serverStream')).events).toEqual(
      expect.arrayContaining(['data first', 'data last']),
    );
    expect(guard.circuit(echoService.serverStream).snapshot().totals.outcomes).toMatchObject({ failure: 0 });
  });

  it('is the deadline of a unary call', async () => {
    const { client, deadlines } = await setUp({ defaultDeadlineMs: 60_000 });
    await callUnary(client, 'a');
    const left = Number(deadlines[0]) - Date.now();
    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });

  it.each(KINDS)('is the deadline of a %s call where a rule for the method says so', async (kind) => {
    const methods = [{ match: echoService[kind], defaultDeadlineMs: 60_000 }];
    const { client, deadlines } = await setUp({ defaultDeadlineMs: 1_000, methods });
    await observe(client, kind);
    expect(Number(deadlines[0]) - Date.now()).toBeGreaterThan(30_000);
  });

  it('may be Infinity, which is no deadline', async () => {
    const { client, deadlines } = await setUp({ defaultDeadlineMs: Number.POSITIVE_INFINITY });
    expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    expect(deadlines.map(isNone)).toEqual([true]);
  });

  it('may be Infinity for a method, in place of the general setting', async () => {
    const methods = [{ match: echoService.unary, defaultDeadlineMs: Number.POSITIVE_INFINITY }];
    const { client, deadlines } = await setUp({ defaultDeadlineMs: 60_000, methods });
    await callUnary(client, 'a');
    expect(deadlines.map(isNone)).toEqual([true]);
  });

  // grpc-js sends hours in at most eight digits, as the protocol wants it, and throws from 100,000,000 hours on.
  const longest = 99_999_999 * 3_600_000;
  it.each<[number, 'accepted' | 'refused']>([
    [2 ** 31 - 1, 'accepted'],
    [2 ** 31, 'accepted'],
    [3.5e14, 'accepted'],
    [longest, 'accepted'],
    [longest + 1, 'refused'],
    [3.6e14, 'refused'],
    [1e15, 'refused'],
    [8.64e15, 'refused'],
    [Number.MAX_SAFE_INTEGER, 'refused'],
    [Number.MAX_VALUE, 'refused'],
  ])(
    'of %d ms is refused where grpc-js could not send it, and never throws in a call',
    async (ms, wanted) => {
      let got: 'accepted' | 'refused' = 'accepted';
      try {
        createGuard({ defaultDeadlineMs: ms });
      } catch (error) {
        got = 'refused';
        expect(isFailsoftError(error)).toBe(true);
        expect(String(error)).toMatch(/defaultDeadlineMs/);
      }
      expect(got).toBe(wanted);
      if (got === 'refused') return;
      const { client } = await setUp({ defaultDeadlineMs: ms });
      expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    },
  );
});

describe('a deadline that the caller gives as a Date', () => {
  it.each([
    ['a reserve', { fallbackReserveMs: 1_000, fallbacks: decliningFallbacks() }, 1_000],
    [
      'a reserve, and no fallback that could use it',
      { fallbackReserveMs: 1_000, fallbacks: new FallbackRegistry() },
      0,
    ],
    ['the default reserve', { fallbacks: decliningFallbacks() }, 20],
    ['no reserve', { fallbackReserveMs: 0, fallbacks: decliningFallbacks() }, 0],
    ['a default', { defaultDeadlineMs: 5_000 }, 0],
  ])('is one behind the guard, with %s', async (_with, options, lessMs) => {
    const { client, deadlines } = await setUp(options);
    const deadline = new Date(Date.now() + 60_000);
    const givenMs = deadline.getTime();
    await callUnary(client, 'a', { deadline });
    const [seen] = deadlines;
    expect(seen).toBeInstanceOf(Date);
    expect(Number(seen)).toBe(givenMs - lessMs);
    expect(deadline.getTime()).toBe(givenMs);
  });

  it('stays a number if the caller gives a number', async () => {
    const { client, deadlines } = await setUp({ fallbackReserveMs: 1_000, fallbacks: decliningFallbacks() });
    const deadline = Date.now() + 60_000;
    await callUnary(client, 'a', { deadline });
    expect(deadlines).toEqual([deadline - 1_000]);
  });
});
