import { status } from '@grpc/grpc-js';
import { type GuardOptions, perKey, REJECTION_REASONS, type WarningEvent } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, startEchoServer } from '../support/echo-service.js';
import { createGuard } from '../support/guard.js';

const closers = closedAfterEach();
const CALLS = 10;

const throwing = (what: string) => () => {
  throw new Error(`${what} failed`);
};

describe("a user's function that always throws", () => {
  it.each<[string, GuardOptions, string]>([
    ['keyBy', { keyBy: perKey(throwing('keyBy')) }, 'keyBy of /test.Echo/Unary'],
    [
      'classify.when',
      {
        classify: {
          rules: [{ code: status.UNAVAILABLE, when: throwing('classify'), outcome: 'ignored' }],
        },
      },
      'classify of /test.Echo/Unary',
    ],
    [
      'classifyMessage',
      { classify: { classifyMessage: throwing('classifyMessage') } },
      'classify of /test.Echo/Unary',
    ],
  ])('%s: one process warning, and an event for each call', async (_what, options, source) => {
    const written: string[] = [];
    const onWarning = ({ name, message }: Error) => name === 'FailsoftWarning' && written.push(message);
    process.on('warning', onWarning);
    const server = await startEchoServer();
    const guard = createGuard({ clock: new ManualClock(), ...options });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => process.removeListener('warning', onWarning),
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    const events: WarningEvent[] = [];
    guard.on('warning', (event) => events.push(event));
    if (options.classify?.rules) {
      server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
      guard.setMode('observe');
    }
    for (let n = 0; n < CALLS; n++) await callUnary(client, 'a');
    expect(events.map(({ count }) => count)).toEqual(Array.from({ length: CALLS }, (_, n) => n + 1));
    expect(events[0]).toEqual({ source, error: expect.any(Error), count: 1 });
    await expect.poll(() => written).toEqual([expect.stringContaining(`${source}: Error: `)]);
  });
});

it('the reasons of a rejection are exported as a value', () => {
  expect(REJECTION_REASONS).toContain('CIRCUIT_OPEN');
});
