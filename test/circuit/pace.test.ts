import { describe, expect, it } from 'vitest';
import { Pace } from '../../src/circuit/pace.js';

/** Plays a round. @returns whether the server was slow in it */
function round(pace: Pace, durationsMs: readonly number[], load = 10): boolean {
  for (const durationMs of durationsMs) pace.add(durationMs);
  return pace.endRound(load);
}

const four = (durationMs: number) => [durationMs, durationMs, durationMs, durationMs];

function paceOf(usualMs: number): Pace {
  const pace = new Pace();
  expect(round(pace, four(usualMs))).toBe(false);
  return pace;
}

describe('an answer is slow', () => {
  it.each([
    [100, 130, false],
    [100, 150, false],
    [100, 150.1, true],
    [10, 16, false],
    [10, 20, false],
    [10, 20.1, true],
  ])('by both the factor and the margin: usually %d ms, now %d: %s', (usualMs, durationMs, slow) => {
    expect(paceOf(usualMs).isSlow(durationMs)).toBe(slow);
  });

  it('only when the usual duration is known', () => {
    expect(new Pace().isSlow(1e9)).toBe(false);
  });
});

describe('the usual duration', () => {
  it('is the lower quartile of the first 64 answers of a round', () => {
    const pace = new Pace();
    round(pace, [...Array<number>(16).fill(10), ...Array<number>(48).fill(100), 1]);
    expect(pace.isSlow(150)).toBe(false);
    expect(pace.isSlow(151)).toBe(true);
  });

  it('is not changed by three answers', () => {
    const pace = paceOf(100);
    expect(round(pace, [1, 1, 1])).toBe(false);
    expect(pace.isSlow(150)).toBe(false);
  });

  it('does not come from a round that was dropped', () => {
    const pace = paceOf(100);
    for (const durationMs of four(1)) pace.add(durationMs);
    pace.dropRound();
    round(pace, [50, 50, 50]);
    expect(pace.isSlow(150)).toBe(false);
    round(pace, four(60));
    expect(pace.isSlow(90)).toBe(false);
    expect(pace.isSlow(91)).toBe(true);
  });
});

// after a round of 400 ms with ten calls in flight, when 100 ms is usual
describe('two rounds that stay slow with less load prove that the load is not the reason', () => {
  it.each([
    [6, 301, false],
    [7, 301, true],
    [6, 300, true],
  ])('%i calls in flight, %d ms: still slow %s', (load, durationMs, slow) => {
    const pace = paceOf(100);
    expect(round(pace, four(400), 10)).toBe(true);
    expect(round(pace, four(durationMs), load)).toBe(true);
    expect(round(pace, four(durationMs), 3)).toBe(slow);
  });
});
