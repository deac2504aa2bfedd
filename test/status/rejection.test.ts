import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { circuitRejectionOf, perKey } from 'failsoft';
import { describe, expect, it, vi } from 'vitest';
import type { Rejection } from '../../src/circuit/types.js';
import { rejectionStatus, withFallbackStory } from '../../src/status/rejection.js';
import { LONGEST_MS } from '../../src/status/status-details.js';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../support/echo-service.js';
import { createGuard } from '../support/guard.js';
import { overTheWire } from '../support/wire.js';

const closers = closedAfterEach();
const OPEN: Rejection = { admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: 1_230 };
const DETAILS = 'grpc-status-details-bin';

/** The error as grpc-js makes it of a status. */
function errorOf(ended: { code: status; details: string; metadata: Metadata }): ServiceError {
  return Object.assign(new Error(ended.details), ended);
}

describe('a rejection of this process', () => {
  it('is read from the error that grpc-js makes of it', () => {
    const error = errorOf(rejectionStatus('/s/M#m', OPEN, Infinity, 'default failed'));
    expect(circuitRejectionOf(error)).toEqual({
      circuitKey: '/s/M#m',
      reason: 'CIRCUIT_OPEN',
      retryAfterMs: 1_230,
      fallback: 'default failed',
    });
  });

  it('is still read from a clone of its trailers, and of the clone', () => {
    const { metadata } = rejectionStatus('/s/M', OPEN, Infinity);
    const clone = metadata.clone().clone();
    clone.set('x-trace', '1');
    expect(circuitRejectionOf({ metadata: clone })?.reason).toBe('CIRCUIT_OPEN');
    expect(metadata.get('x-trace')).toEqual([]);
  });

  it("is still read when an outer guard added its fallbacks' attempts", () => {
    const told = withFallbackStory(rejectionStatus('/s/M', OPEN, Infinity), 'default failed');
    expect(circuitRejectionOf(told)).toMatchObject({ circuitKey: '/s/M', reason: 'CIRCUIT_OPEN' });
  });

  it('is read by another copy of failsoft in the process', async () => {
    vi.resetModules();
    const copy = await import('../../src/status/rejection.js');
    expect(copy.rejectionStatus).not.toBe(rejectionStatus);
    expect(copy.circuitRejectionOf(errorOf(rejectionStatus('/s/M', OPEN, Infinity)))?.circuitKey).toBe(
      '/s/M',
    );
    expect(circuitRejectionOf(errorOf(copy.rejectionStatus('/s/M', OPEN, Infinity)))?.circuitKey).toBe(
      '/s/M',
    );
  });

  it.each([
    [Number.POSITIVE_INFINITY, LONGEST_MS],
    [Number.NaN, 0],
    [-5, 0],
    [1e300, LONGEST_MS],
    [0.1, 10],
  ])('with %d ms to wait shows %d ms', (retryAfterMs, expected) => {
    const ended = rejectionStatus('/s/M', { ...OPEN, retryAfterMs }, Infinity);
    expect(circuitRejectionOf(ended)?.retryAfterMs).toBe(expected);
  });

  it.each<[string, number, number, string]>([
    ['after the time to wait', 1_230, Infinity, '1230'],
    ['within the deadline', 1_230, Date.now() + 60_000, '1230'],
    ['never: the deadline comes first', 1_230, Date.now() + 1_000, '-1'],
    ['never: nobody knows when', 0, Infinity, '-1'],
    ['never: longer than the header can say', 2 ** 31, Infinity, '-1'],
  ])('makes retry interceptors try again %s', (_when, retryAfterMs, deadlineMs, expected) => {
    const { metadata } = rejectionStatus('/s/M', { ...OPEN, retryAfterMs }, deadlineMs);
    expect(metadata.get('grpc-retry-pushback-ms')).toEqual([expected]);
  });

  it.each([[undefined], [null], ['text'], [{}], [{ metadata: null }], [{ metadata: { get: 7 } }]])(
    'is not %j',
    (error) => expect(circuitRejectionOf(error)).toBeUndefined(),
  );

  it("is not a failed call's status, whatever its fallbacks did", () => {
    const failed = { code: status.UNAVAILABLE, details: 'gone', metadata: new Metadata() };
    expect(circuitRejectionOf(withFallbackStory(failed, 'default failed'))).toBeUndefined();
  });
});

describe('a rejection that comes over the wire', () => {
  it('is not taken for ours, though its bytes are the same', () => {
    const ours = rejectionStatus('/s/M', OPEN, Infinity);
    const theirs = errorOf({ ...ours, metadata: overTheWire(ours.metadata) });
    expect(theirs.metadata.get(DETAILS)).toEqual(ours.metadata.get(DETAILS));
    expect(circuitRejectionOf(theirs)).toBeUndefined();
    expect(circuitRejectionOf({ metadata: theirs.metadata.clone() })).toBeUndefined();
    expect(circuitRejectionOf(withFallbackStory(theirs, 'default failed'))).toBeUndefined();
  });

  it('from a gateway that passes its own on is a failure of the gateway', async () => {
    const behind = await gateway(() => 'm');
    const guard = createGuard();
    const client = echoClient(behind.address, { interceptors: [guard.interceptor] });
    closers.push(() => client.close());
    const { error } = await callUnary(client, 'a');
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(error?.details).toContain('isolated');
    expect(error?.metadata.get(DETAILS)).toHaveLength(1);
    expect(circuitRejectionOf(error)).toBeUndefined();
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.failure).toBe(1);
  });
});

describe('a model whose name is no well-formed text', () => {
  const HIGH = '\ud83d';
  const emoji = '\ud83d\ude00';

  it.each([
    ['with a pair where a long name is cut', `${'x'.repeat(126)}${emoji.repeat(90)}`],
    ['with a pair where a long name is cut, one unit further', `${'x'.repeat(127)}${emoji.repeat(90)}`],
    ['that is nothing but pairs', emoji.repeat(300)],
    ['with half a pair', `m${HIGH}`],
    ['that is long and nothing but half pairs', HIGH.repeat(300)],
  ])('%s crashes no gateway that passes the rejection on', async (_what, name) => {
    const thrown: Error[] = [];
    const listener = (error: Error) => thrown.push(error);
    process.on('uncaughtExceptionMonitor', listener);
    closers.push(() => process.off('uncaughtExceptionMonitor', listener));
    for (const keyed of [
      await gateway(() => name),
      await gateway(() => undefined, { failsoft: { key: name } }),
      await gateway(() => undefined, {}, name),
    ]) {
      const client = echoClient(keyed.address);
      closers.push(() => client.close());
      const { error } = await callUnary(client, 'a', { deadline: Date.now() + 10_000 });
      expect(error?.details).toMatch(/^circuit isolated by hand: /);
      expect(error?.details.isWellFormed()).toBe(true);
    }
    expect(thrown).toEqual([]);
  });
});

/** A server that calls another one through a guard whose circuits are isolated, and passes the error on as it is. */
async function gateway(keyOf: () => string | undefined, callOptions = {}, target = '') {
  const backend = await startEchoServer();
  closers.push(() => backend.close());
  const guard = createGuard({ keyBy: perKey(keyOf) });
  const client = echoClient(backend.address, { interceptors: [guard.forTarget(target)] });
  closers.push(() => client.close());
  await callUnary(client, 'makes the circuit', callOptions);
  for (const { circuitKey: key } of guard.snapshots()) guard.circuit(key).isolate();
  const server = await startEchoServer({
    unary: (call, callback) => {
      client.unary(call.request, new Metadata(), callOptions, (error, value) => callback(error, value));
    },
  });
  closers.push(() => server.close());
  return server;
}
