import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { LoopWatch, lengthOf } from '../../src/call/loop-watch.js';

function setUp() {
  const clock = new ManualClock(1_000);
  const loop = new LoopWatch(clock);
  loop.begins(clock.now());
  /** Does so much in one turn, and makes so many turns. */
  const work = (ms: number, times = 1) => {
    for (let turn = 0; turn < times; turn++) {
      clock.stall(ms);
      clock.advance(0);
    }
  };
  const standstillMs = (sinceMs = 0, lateMs = 0) => lengthOf(loop.longestSince(sinceMs, clock.now(), lateMs));
  return { clock, loop, work, standstillMs };
}

describe('a standstill of the event loop', () => {
  it.each<[string, (on: ReturnType<typeof setUp>) => void, number]>([
    ['is a long turn', ({ work }) => work(400), 400],
    [
      'is a long turn between idling',
      ({ clock, work }) => [clock.advance(100), work(400), clock.advance(9)],
      400,
    ],
    ['is a long turn among short ones', ({ work }) => [work(1, 10), work(300), work(1, 3)], 313],
    ['is turns of 15 ms on average', ({ clock, work }) => [work(15, 3), clock.stall(15)], 60],
    ['is not turns of less than 15 ms on average', ({ clock, work }) => [work(15, 3), clock.stall(14)], 0],
    ['is not a turn of less than 50 ms', ({ work }) => work(49), 0],
    ['is not idling', ({ clock }) => clock.advance(10_000), 0],
    ['is not one busy turn after the other', ({ work }) => work(10, 500), 0],
    ['is not a long turn among very many', ({ work }) => [work(1, 200), work(400)], 0],
  ])('%s', (_name, happens, expectedMs) => {
    const on = setUp();
    happens(on);
    expect(on.standstillMs()).toBe(expectedMs);
  });

  it('shows among very many turns where a timer was late', () => {
    const { work, standstillMs } = setUp();
    work(1, 200);
    work(400);
    expect(standstillMs(0, 300)).toBe(300);
  });

  it.each([
    [50, 50],
    [49, 0],
  ])('among very many turns and with a timer that is %d ms late lasted %d ms', (lateMs, expectedMs) => {
    const { work, standstillMs } = setUp();
    work(1, 200);
    work(400);
    expect(standstillMs(0, lateMs)).toBe(expectedMs);
  });

  it('does not show by a late timer alone: a machine that slept was idle', () => {
    const { clock, standstillMs } = setUp();
    clock.advance(400);
    expect(standstillMs(0, 300)).toBe(0);
  });

  it('lasts until the end of the turn in which it is noticed', () => {
    const { clock, loop, work } = setUp();
    work(400);
    for (let callback = 0; callback < 10; callback++) {
      const standstill = loop.longestSince(0, clock.now());
      expect(standstill?.untilMs).toBe(clock.now());
      clock.stall(30);
    }
    clock.advance(5);
    expect(loop.longestSince(0, clock.now())?.untilMs).toBe(clock.now() - 35);
  });

  it('does not count for a call that began after it', () => {
    const { clock, work, loop, standstillMs } = setUp();
    work(400);
    loop.begins(clock.now());
    clock.advance(100);
    expect(standstillMs(clock.now() - 100)).toBe(0);
    expect(standstillMs(clock.now() - 150)).toBe(50);
  });

  it('is kept until seven more have come', () => {
    const { work, standstillMs } = setUp();
    work(400);
    expect(standstillMs()).toBe(400);
    for (let more = 0; more < 7; more++) {
      work(60);
      expect(standstillMs()).toBe(400);
    }
    work(60);
    expect(standstillMs()).toBe(60);
  });

  it('is not noticed with a clock without a loop', () => {
    const clock = new ManualClock();
    const loop = new LoopWatch({ now: () => 0, epochMs: () => 0, setTimer: () => () => undefined });
    loop.begins(0);
    clock.stall(400);
    expect(loop.longestSince(0, 400, 400)).toBeUndefined();
    expect(loop.longestFeltMs(0, 400)).toBe(0);
  });
});
