import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { createGuard } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { circumstancesOf } from '../../src/call/circumstances.js';
import { Connection } from '../../src/call/connection.js';
import { connectionTroubleOf } from '../../src/call/connection-trouble.js';
import { LoopWatch } from '../../src/call/loop-watch.js';
import type { Outcome } from '../../src/classify/outcome.js';
import type { MethodSettings } from '../../src/guard/method-settings.js';

const TRAILERS = Metadata.fromHttp2Headers({ 'content-type': 'application/grpc' });
const TIMEOUT = { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded after 0.300s' };
const OK = { code: status.OK, details: '' };

const statusOf = (known: Partial<StatusObject>): StatusObject => ({
  code: status.UNAVAILABLE,
  details: '',
  metadata: new Metadata(),
  ...known,
});

describe("grpc-js's words for a connection", () => {
  it.each<[status, string, unknown]>([
    [status.UNAVAILABLE, 'Connection dropped', { lostConnection: true }],
    [status.UNAVAILABLE, 'read ECONNRESET', { lostConnection: true }],
    [status.UNAVAILABLE, 'read ETIMEDOUT', { lostConnection: true }],
    [status.UNAVAILABLE, 'write ECONNRESET', { lostConnection: true }],
    [
      status.INTERNAL,
      'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2',
      { lostConnection: true },
    ],
    [
      status.INTERNAL,
      'Received RST_STREAM with code 2 triggered by internal client error: write EPIPE',
      { lostConnection: true },
    ],
    [
      status.INTERNAL,
      'Received RST_STREAM with code 0 (Call ended without gRPC status)',
      { lostConnection: 'perhaps' },
    ],
    [
      status.INTERNAL,
      'Received RST_STREAM with code 2 (Internal server error)',
      { lostConnection: 'perhaps' },
    ],
    [status.CANCELLED, 'Call cancelled', { lostConnection: 'perhaps' }],
    [status.UNAVAILABLE, 'Stream refused by server', { lostConnection: 'perhaps' }],
    [
      status.RESOURCE_EXHAUSTED,
      'Bandwidth exhausted or memory limit exceeded',
      { lostConnection: 'perhaps' },
    ],
    [status.UNAVAILABLE, 'No connection established', { notSent: true }],
    [
      status.UNAVAILABLE,
      'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
      { notSent: true },
    ],
    [status.UNAVAILABLE, 'round_robin: No connection established. Last error: null', { notSent: true }],
    [status.UNAVAILABLE, 'Name resolution failed for target dns:nowhere:1', { notSent: true }],
    [status.UNAVAILABLE, 'the model is loading: read ECONNRESET', undefined],
    [status.INTERNAL, 'Connection dropped', undefined],
    [status.DEADLINE_EXCEEDED, TIMEOUT.details, undefined],
  ])('%i %s', (code, details, expected) => {
    expect(connectionTroubleOf(statusOf({ code, details }))).toEqual(expected);
    // a gateway that passes them on is a server that answered
    expect(connectionTroubleOf(statusOf({ code, details, metadata: TRAILERS }))).toBeUndefined();
  });

  it('do not count in a status whose metadata throw', () => {
    const metadata = new Metadata();
    metadata.getMap = () => {
      throw new Error('odd');
    };
    expect(connectionTroubleOf(statusOf({ details: 'Connection dropped', metadata }))).toBeUndefined();
  });
});

/** A connection on which an answer has come, a second ago. */
function setUp({ usualMs = 0 } = {}) {
  const clock = new ManualClock(1_000_000);
  const connection = new Connection();
  const loop = new LoopWatch(clock);
  connection.begins(clock.now());
  connection.answered(clock.now());
  clock.advance(1_000);
  const settings = { minimumDeadlineOf: (ms: number) => ms } as MethodSettings;
  const begin = () => {
    const startedAtMs = clock.now();
    connection.begins(startedAtMs);
    loop.begins(startedAtMs);
    return (outcome: Outcome, known: Partial<StatusObject>, givenMs = Number.POSITIVE_INFINITY) => {
      const nowMs = clock.now();
      const waitedMs = nowMs - startedAtMs;
      const received = statusOf(known);
      const method = { connection, loop, settings };
      const times = { startedAtMs, givenMs, entry: { usualLatency: { ms: usualMs } } };
      return circumstancesOf(method, times, outcome, received, nowMs, waitedMs);
    };
  };
  return { clock, begin };
}

describe('a call that is over', () => {
  it('has no circumstances in the usual case', () => {
    const { clock, begin } = setUp();
    const end = begin();
    clock.advance(700);
    expect(end('success', OK)).toBeUndefined();
    expect(end('failure', { code: status.INTERNAL, details: 'CUDA' })).toBeUndefined();
    expect(end('failure', TIMEOUT, 700)).toBeUndefined();
    expect(end('ignored', OK)).toBeUndefined();
  });

  it('was connecting if it began before the first answer after a loss; its trouble stays', () => {
    const { clock, begin } = setUp();
    const [lost, late, failed, good] = [begin(), begin(), begin(), begin()];
    clock.advance(10);
    expect(lost('failure', { details: 'read ECONNRESET' })).toEqual({ lostConnection: true });
    expect(late('failure', { details: 'No connection established' })).toEqual({ notSent: true });
    // neither of them is an answer
    expect(failed('failure', TIMEOUT, 10)).toEqual({ connecting: true });
    expect(failed('failure', { details: 'busy' })).toEqual({ connecting: true });
    expect(good('success', OK)).toEqual({ connecting: true });
    const next = begin();
    clock.advance(10);
    expect(next('success', OK)).toBeUndefined();
  });

  it.each<[string, Outcome, Partial<StatusObject>]>([
    ['an answer', 'success', OK],
    ["a caller's error", 'caller-error', { code: status.NOT_FOUND }],
    ["a server's failure", 'failure', { code: status.INTERNAL, details: 'CUDA' }],
    ['an overload', 'overload', { code: status.RESOURCE_EXHAUSTED }],
  ])('ends the connecting of the next calls by %s', (_name, outcome, known) => {
    const { clock, begin } = setUp();
    begin()('failure', { details: 'Connection dropped' });
    clock.advance(1);
    begin()(outcome, known);
    clock.advance(1);
    expect(begin()('success', OK)).toBeUndefined();
  });
});

describe('a call that lived through a standstill', () => {
  it.each([
    ['a good part of its duration', 140, 50, { stalled: true }],
    ['a small part of it', 160, 50, undefined],
    ['all of it', 0, 400, { stalled: true }],
    ['too short a one', 0, 49, undefined],
  ])('was delayed by it: %s', (_name, waitMs, stallMs, expected) => {
    const { clock, begin } = setUp();
    const end = begin();
    clock.advance(waitMs);
    clock.stall(stallMs);
    expect(end('success', OK)).toEqual(expected);
    expect(end('failure', { code: status.INTERNAL })).toBeUndefined();
  });

  it.each<[string, (clock: ManualClock, begin: () => unknown) => void, number, number, unknown]>([
    ['that ended just now', (clock) => [clock.advance(30), clock.stall(400)], 300, 0, { stalled: true }],
    [
      'that ended with its deadline',
      (clock) => [clock.advance(1), clock.stall(299)],
      300,
      0,
      { stalled: true },
    ],
    ['that had ended', (clock, begin) => [clock.stall(200), begin(), clock.advance(100)], 300, 0, undefined],
    [
      'that left it less than the usual time',
      (clock, begin) => [clock.stall(200), begin(), clock.advance(100)],
      300,
      101,
      { stalled: true },
    ],
    [
      'that was a small part of its time',
      (clock) => [clock.advance(950), clock.stall(60)],
      1_000,
      0,
      undefined,
    ],
    [
      'that was none: it was busy',
      (clock) => Array.from({ length: 60 }, () => [clock.stall(5), clock.advance(0)]),
      300,
      0,
      undefined,
    ],
  ])('timed out for one %s', (_name, happens, givenMs, usualMs, expected) => {
    const { clock, begin } = setUp({ usualMs });
    const end = begin();
    happens(clock, begin);
    expect(end('failure', TIMEOUT, givenMs)).toEqual(expected);
  });

  describe('and began when the client was catching up', () => {
    /** A turn in which the client works, and which other turns follow. */
    const work = (clock: ManualClock, ms: number) => {
      for (let doneMs = 0; doneMs < ms; doneMs += 10) {
        clock.stall(10);
        clock.advance(0);
      }
    };
    type Case = { stallMs?: number; idleMs?: number; busyMs?: number; workMs?: number; waitMs?: number };

    it.each<[string, Case, unknown]>([
      ['at its end', { workMs: 150, waitMs: 100 }, { stalled: true }],
      ['while the client was busy for a quarter of the time', { workMs: 60, waitMs: 180 }, { stalled: true }],
      ['while the client was idle for longer', { workMs: 60, waitMs: 190 }, undefined],
      ['within its length', { busyMs: 390, workMs: 200 }, { stalled: true }],
      ['later than that', { busyMs: 400, workMs: 200 }, undefined],
      ['long after it', { idleMs: 5_000, workMs: 200 }, undefined],
      [
        'later than a second after a very long one',
        { stallMs: 9_000, busyMs: 1_000, workMs: 200 },
        undefined,
      ],
      ['and is not four times as long', { stallMs: 100, workMs: 300, waitMs: 90 }, { stalled: true }],
      ['and is four times as long', { stallMs: 100, workMs: 310, waitMs: 90 }, undefined],
      ['and waited for a slow model: work before each call is no backlog', { waitMs: 250 }, undefined],
    ])('%s', (_name, { stallMs = 400, idleMs = 0, busyMs = 0, workMs = 0, waitMs = 0 }, expected) => {
      const { clock, begin } = setUp();
      begin();
      clock.stall(stallMs);
      clock.advance(0);
      begin();
      work(clock, busyMs);
      clock.advance(idleMs);
      const end = begin();
      work(clock, workMs);
      clock.advance(waitMs);
      expect(end('success', OK)).toEqual(expected);
      expect(end('caller-error', { code: status.NOT_FOUND })).toEqual(expected);
      // not even while the client catches up
      expect(end('failure', { code: status.INTERNAL })).toBeUndefined();
      expect(end('failure', TIMEOUT, workMs + waitMs)).toBeUndefined();
    });

    it('is measured again between the standstills of a client that stands still for half of the time', () => {
      const { clock, begin } = setUp();
      for (let round = 0; round < 20; round++) {
        begin();
        clock.stall(400);
        clock.advance(0);
        const [slow, dead] = [begin(), begin()];
        clock.advance(400);
        expect(slow('success', OK)).toBeUndefined();
        expect(dead('failure', TIMEOUT, 400)).toBeUndefined();
      }
    });

    it('whatever the wall clock does', () => {
      const { clock, begin } = setUp();
      begin();
      clock.stall(400);
      clock.advance(0);
      const end = begin();
      clock.stepEpoch(-3_600_000);
      work(clock, 200);
      expect(end('success', OK)).toEqual({ stalled: true });
    });
  });

  it('counts against a server that had not answered for long', () => {
    const { clock, begin } = setUp();
    clock.advance(4_001);
    const end = begin();
    clock.stall(400);
    expect(end('failure', TIMEOUT, 300)).toBeUndefined();
  });

  it.each([
    [49, undefined],
    [50, { stalled: true }],
  ])('was delayed if it was made afterwards and took %d ms: %j', (tookMs, expected) => {
    const { clock, begin } = setUp();
    begin();
    clock.stall(400);
    const end = begin();
    clock.stall(tookMs);
    expect(end('caller-error', { code: status.NOT_FOUND })).toEqual(expected);
  });

  it('was connecting too', () => {
    const { clock, begin } = setUp();
    const end = begin();
    begin()('failure', { details: 'Connection dropped' });
    clock.stall(400);
    expect(end('success', OK)).toEqual({ connecting: true, stalled: true });
  });
});

it('a clock may have a loop, which must be whole', () => {
  const clock = new ManualClock();
  expect(() =>
    createGuard({
      clock: { ...clock, now: () => 0, setTimer: () => () => {}, epochMs: () => 0, loop: {} as never },
    }),
  ).toThrow('options.clock.loop.idleMs: expected a function');
});
