import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { ageOf, timeOfStored } from '../../../src/fallback/last-good/age.js';

const HOUR = 3_600_000;

/** The monotonic clock runs for `awakeMs`; the wall clock runs for that and is moved by `stepMs`. */
function after(awakeMs: number, stepMs: number): number {
  const clock = new ManualClock(1_000_000);
  const time = { epochMs: clock.epochMs(), clockMs: clock.now() };
  clock.advance(awakeMs);
  clock.stepEpoch(stepMs);
  return ageOf(time, clock);
}

describe('the age of an answer of this process', () => {
  it.each([
    ['time passed', 27, 0, 27],
    ['the machine slept for five hours', 27, 5 * HOUR, 27 + 5 * HOUR],
    ['the wall clock was set forward: too old, never too young', 27, HOUR, 27 + HOUR],
    ['the wall clock was set back', 27, -HOUR, 27],
    ['slept for five hours, and was set back by one', 27, 5 * HOUR - HOUR, 27 + 4 * HOUR],
  ])('%s', (_, awakeMs, stepMs, ageMs) => {
    expect(after(awakeMs, stepMs)).toBe(ageMs);
  });
});

describe('the age of an answer from a store', () => {
  it.each([
    ['clocks that agree', -5_000, 5_000],
    ['a stamp of now', 0, 0],
    ['a stamp a minute ahead', 60_000, 0],
  ])('%s', (_, stampMs, ageMs) => {
    const clock = new ManualClock(1_000_000);
    const time = timeOfStored(clock.epochMs() + stampMs, clock);
    expect(time && ageOf(time, clock)).toBe(ageMs);
    clock.advance(70);
    // A stamp ahead is no older for it, and grows older all the same.
    expect(time && ageOf(time, clock)).toBe(ageMs + 70);
    clock.stepEpoch(-HOUR);
    expect(time && ageOf(time, clock)).toBe(ageMs + 70);
    clock.stepEpoch(3 * HOUR);
    expect(time && ageOf(time, clock)).toBe(70 - stampMs + 2 * HOUR);
  });

  it.each([60_001, 5 * HOUR, Number.POSITIVE_INFINITY, Number.NaN])('%s ms ahead: unknown', (aheadMs) => {
    const clock = new ManualClock(1_000_000);
    expect(timeOfStored(clock.epochMs() + aheadMs, clock)).toBeUndefined();
  });
});
