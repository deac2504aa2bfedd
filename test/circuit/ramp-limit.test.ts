import { describe, expect, it } from 'vitest';
import { Ramp } from '../../src/circuit/ramp.js';
import type { Outcome } from '../../src/classify/outcome.js';

type Answer = Exclude<Outcome, 'ignored'>;

/** By answers alone: the share by time is next to nothing. */
const BY_ANSWERS = { durationMs: 1e9, initialShare: 1e-9 };
const SLOW_MS = 1000;

/** One call after the other: so few in flight do not raise the limit. */
function play(ramp: Ramp, outcome: Answer, times: number, tookMs?: number): void {
  for (let i = 0; i < times; i++) {
    expect(ramp.admits(0)).toBe(true);
    ramp.record(outcome, tookMs, SLOW_MS, 0);
  }
}

/** How many calls are admitted at once. */
function room(ramp: Ramp, priority: 'normal' | 'low' = 'normal'): number {
  let admitted = 0;
  while (ramp.admits(0, priority)) admitted += 1;
  return admitted;
}

describe('the share by time', () => {
  const halfOf = () => new Ramp({ durationMs: 1000, initialShare: 0.5 }, 0);

  it('admits every second call over the limit', () => {
    const ramp = halfOf();
    expect(Array.from({ length: 6 }, () => ramp.admits(0))).toEqual([true, true, false, true, false, true]);
  });

  it('admits no call of low priority', () => {
    const ramp = halfOf();
    expect(Array.from({ length: 6 }, () => ramp.admits(0, 'low'))).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('gets back what a call cost that was not sent', () => {
    const ramp = halfOf();
    ramp.admits(0);
    ramp.admits(0);
    ramp.giveBack();
    expect([ramp.admits(0), ramp.admits(0)]).toEqual([true, true]);
  });

  it.each<[Answer, number, number]>([
    ['success', SLOW_MS, 1000],
    ['success', SLOW_MS + 1, 1500],
    ['overload', 1, 1500],
    ['failure', 1, 1000],
    ['caller-error', SLOW_MS + 1, 1000],
  ])('begins anew after trouble if the ramp refuses calls: %s in %d ms, end %i', (outcome, tookMs, endMs) => {
    const ramp = halfOf();
    room(ramp);
    ramp.record(outcome, tookMs, SLOW_MS, 500);
    expect(ramp.endMs).toBe(endMs);
  });

  it('goes on after an overload if the ramp refuses no call', () => {
    const ramp = halfOf();
    ramp.admits(0);
    ramp.record('overload', 1, SLOW_MS, 500);
    expect(ramp.endMs).toBe(1000);
  });
});

describe('the limit', () => {
  it('rises with a success that took exactly as long as allowed', () => {
    const ramp = new Ramp(BY_ANSWERS, 0);
    play(ramp, 'success', 1, SLOW_MS);
    expect(room(ramp)).toBe(3);
  });

  it.each([
    [2, 10],
    [3, 5],
  ])('of ten calls after %i failures: %i', (failures, limit) => {
    const ramp = new Ramp(BY_ANSWERS, 0, 9);
    play(ramp, 'failure', failures);
    expect(room(ramp)).toBe(limit);
  });

  it('does not rise with calls in flight that began before it was halved', () => {
    const ramp = new Ramp(BY_ANSWERS, 0, 9);
    expect(room(ramp)).toBe(10);
    for (let i = 0; i < 3; i++) ramp.record('overload', 1, SLOW_MS, 0);
    for (let i = 0; i < 7; i++) ramp.record('success', 100, SLOW_MS, 0);
    play(ramp, 'success', 4, 100);
    expect(room(ramp)).toBe(5);
  });

  it('rises with the calls that are in flight when the last of those has ended', () => {
    const ramp = new Ramp(BY_ANSWERS, 0, 9);
    expect(room(ramp)).toBe(10);
    for (let i = 0; i < 3; i++) ramp.record('overload', 1, SLOW_MS, 0);
    for (let i = 0; i < 6; i++) ramp.record('success', 100, SLOW_MS, 0);
    // two new calls beside the last old one: three would be half of the limit of 5, two are not
    ramp.admits(0);
    ramp.admits(0);
    ramp.record('success', 100, SLOW_MS, 0);
    ramp.record('success', 100, SLOW_MS, 0);
    expect(1 + room(ramp)).toBe(5);
  });
});

// rounds of ten answers each, of which the first shows the usual duration
describe('the ramp is over', () => {
  it.each([
    [5, true],
    [6, false],
  ])('after three rounds with %i late answers of ten in the others: %s', (late, over) => {
    const ramp = new Ramp(BY_ANSWERS, 0, 9);
    play(ramp, 'success', 10, 100);
    for (let round = 0; round < 2; round++) {
      expect(ramp.isOver).toBe(false);
      play(ramp, 'success', 10 - late, 100);
      play(ramp, 'success', late, 200);
    }
    expect(ramp.isOver).toBe(over);
  });

  it("learns nothing about durations from callers' errors", () => {
    const ramp = new Ramp(BY_ANSWERS, 0, 9);
    play(ramp, 'caller-error', 6, 1);
    play(ramp, 'success', 4, 100);
    for (let round = 0; round < 2; round++) {
      play(ramp, 'success', 4, 100);
      play(ramp, 'success', 6, 200);
    }
    expect(ramp.isOver).toBe(false);
  });

  it('only when no call is refused, of low priority either', () => {
    const ramp = new Ramp(BY_ANSWERS, 0);
    for (let batch = 0; batch < 12; batch++) {
      for (let left = room(ramp, 'low'); left > 0; left--) ramp.record('success', 10, SLOW_MS, 0);
    }
    expect(ramp.isOver).toBe(false);
  });
});
