import { status } from '@grpc/grpc-js';
import {
  type AnswerCount,
  FallbackRegistry,
  type FallbackStrategy,
  type Guard,
  type GuardOptions,
  noFallback,
} from 'failsoft';
import { describe, expect, it } from 'vitest';
import { AnswerCounts } from '../../src/telemetry/answers.js';
import { AttemptCounts } from '../../src/telemetry/attempts.js';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, type EchoClient, echoService, type Message } from '../support/echo-service.js';
import { callOnce } from '../support/every-kind.js';
import { openFor, tripAfter } from '../support/guard.js';
import { opensSoon, startGuarded } from '../support/guarded-client.js';

const closers = closedAfterEach();

const setUp = (options: GuardOptions = {}) => startGuarded(closers, { circuit: opensSoon(), ...options });

/** As one line for each count: "primary x2", "default/failed x1". */
function lines(counts: Iterable<AnswerCount>): string[] {
  return Array.from(
    counts,
    ({ source, cause, count }) => `${source}${cause === null ? '' : `/${cause}`} x${count}`,
  ).sort();
}

const answering: FallbackStrategy<Message, Message> = {
  name: 'default',
  answer: () => ({ message: { text: 'instead' }, source: 'default' }),
};
const throwing: FallbackStrategy<Message, Message> = {
  name: 'secondary:small',
  answer: () => Promise.reject(new Error('small is down')),
};
const declining: FallbackStrategy<Message, Message> = { name: 'last-good', answer: () => undefined };

function fallbacks(...strategies: FallbackStrategy<Message, Message>[]): FallbackRegistry {
  const registry = new FallbackRegistry();
  for (const method of Object.values(echoService)) registry.register(method, strategies);
  return registry;
}

const kinds = ['unary', 'clientStream', 'serverStream', 'bidi'] as const;

/** Five calls of which the server answers the first, and the circuit opens at the third. */
async function fiveCalls(
  kind: (typeof kinds)[number],
  options: GuardOptions,
): Promise<{ guard: Guard; client: EchoClient }> {
  const { server, client, guard } = await setUp({
    ...options,
    circuit: { ...tripAfter(3), ...openFor(600_000) },
  });
  await callOnce(client, kind, 'a');
  const code = status.UNAVAILABLE;
  server.handlers.unary = (_call, callback) => callback({ code });
  server.handlers.clientStream = (_call, callback) => callback({ code });
  server.handlers.serverStream = (call) => call.emit('error', { code });
  server.handlers.bidi = (call) => call.emit('error', { code });
  for (let n = 0; n < 4; n++) await callOnce(client, kind, 'a');
  return { guard, client };
}

describe('the answers of a guard', () => {
  it.each(kinds)('count the sources of a %s method with fallbacks', async (kind) => {
    const { guard } = await fiveCalls(kind, { fallbacks: fallbacks(declining, throwing, answering) });
    expect(lines(guard.answers())).toEqual(['default/failed x2', 'default/rejected x2', 'primary x1']);
    expect(guard.answers()[0]).toEqual({
      circuitKey: echoService[kind].path,
      method: echoService[kind].path,
      source: 'primary',
      cause: null,
      count: 1,
    });
    expect(guard.attempts()).toEqual([
      { method: echoService[kind].path, strategy: 'last-good', result: 'declined', count: 4 },
      { method: echoService[kind].path, strategy: 'secondary:small', result: 'failed', count: 4 },
    ]);
  });

  it.each(kinds)('count the errors of a %s method without fallbacks', async (kind) => {
    const { guard } = await fiveCalls(kind, {});
    expect(lines(guard.answers())).toEqual(['none/failed x2', 'none/rejected x2', 'primary x1']);
    expect(guard.attempts()).toEqual([]);
  });

  it.each(kinds)('count the errors of a %s method whose fallbacks do not answer', async (kind) => {
    const { guard } = await fiveCalls(kind, { fallbacks: fallbacks(declining, throwing) });
    expect(lines(guard.answers())).toEqual(['none/failed x2', 'none/rejected x2', 'primary x1']);
    expect(guard.attempts().map(({ result, count }) => `${result} x${count}`)).toEqual([
      'declined x4',
      'failed x4',
    ]);
  });

  it('count an error about the request apart from a failure', async () => {
    const { server, client, guard } = await setUp({ fallbacks: fallbacks(answering) });
    server.handlers.unary = (_call, callback) => callback({ code: status.NOT_FOUND });
    await callUnary(client, 'a');
    expect(lines(guard.answers())).toEqual(['none x1']);
  });

  it('leave out calls that their caller cancelled', async () => {
    const { server, client, guard } = await setUp({ fallbacks: fallbacks(answering) });
    server.handlers.unary = () => undefined;
    const ended = await callUnary(client, 'a', { onCall: (call) => setImmediate(() => call.cancel()) });
    expect(ended.status.code).toBe(status.CANCELLED);
    expect(guard.answers()).toEqual([]);
  });

  it('count a call that passes a stop without an answer', async () => {
    const { guard } = await fiveCalls('unary', { fallbacks: fallbacks(declining, noFallback()) });
    expect(lines(guard.answers())).toEqual(['none/failed x2', 'none/rejected x2', 'primary x1']);
    expect(guard.attempts().map(({ result }) => result)).toEqual(['declined', 'stopped']);
  });

  it('of evicted circuits are kept as sums by method', async () => {
    const { client, guard } = await setUp({ maxCircuits: 2 });
    for (const key of ['a', 'b', 'c', 'd', 'd']) await callUnary(client, 'x', { failsoft: { key } });
    expect(guard.answers().map(({ circuitKey, count }) => `${circuitKey} x${count}`)).toEqual([
      '/test.Echo/Unary#c x1',
      '/test.Echo/Unary#d x2',
      'null x2',
    ]);
  });
});

describe('the counts of a circuit', () => {
  it('count at most 16 sources apart, of bounded length', () => {
    const counts = new AnswerCounts();
    for (let n = 0; n < 100; n++) counts.answered(`${n}`.padEnd(10_000, '\ud800'), 'failed');
    counts.unanswered('rejected');
    const reported = [...counts.report('/m', '/m')];
    expect(reported).toHaveLength(18);
    expect(Math.max(...reported.map(({ source }) => source.length))).toBe(128);
    expect(reported.every(({ source }) => source.isWellFormed())).toBe(true);
    expect(reported.find(({ source }) => source === 'other')?.count).toBe(84);
  });

  it("do not take a strategy's source for an error", () => {
    const counts = new AnswerCounts();
    counts.answered('none', 'failed');
    expect(lines(counts.report('/m', '/m'))).toEqual(['other/failed x1']);
  });

  it('can be added', () => {
    const sum = new AnswerCounts();
    const counts = new AnswerCounts();
    counts.primary = 2;
    counts.answered('default', 'slow');
    counts.unanswered(null);
    sum.addAll(counts);
    sum.addAll(counts);
    expect(lines(sum.report('/m', null))).toEqual(['default/slow x2', 'none x2', 'primary x4']);
  });
});

describe('the counts of attempts', () => {
  it('are bounded in number', () => {
    const counts = new AttemptCounts();
    for (let n = 0; n < 20_000; n++) counts.add('/m', [{ strategy: `s${n}`, result: 'failed' }]);
    const reported = counts.report();
    expect(reported).toHaveLength(10_001);
    expect(reported.at(-1)).toEqual({ method: 'other', strategy: 'other', result: 'failed', count: 10_000 });
  });
});
