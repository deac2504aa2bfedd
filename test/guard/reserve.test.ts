import { describe, expect, it } from 'vitest';
import { DEFAULT_RESERVE, fixedReserve } from '../../src/guard/reserve.js';

describe('the reserve for fallbacks', () => {
  it.each([
    ['from memory, of a long deadline', 10_000, false, 20, 20],
    ['from memory, of a short one: a tenth', 100, false, 20, 10],
    ['that call something, of a long deadline', 10_000, true, 20, 100],
    ['that call something, of half a second: a fifth', 500, true, 20, 100],
    ['that call something, of a short one', 100, true, 20, 20],
    ['that call something, while nothing is known of the primary', 500, true, 0, 20],
    ['that call something, where the primary takes half of the rest', 500, true, 200, 100],
    ['that call something, where the primary needs its time', 500, true, 201, 20],
    ['that call something, without a deadline', Number.POSITIVE_INFINITY, true, 60_000, 100],
    ['of a deadline that has passed', -5, true, 20, 0],
  ])('%s', (_what, budgetMs, calls, usualMs, reserveMs) => {
    expect(DEFAULT_RESERVE.of(budgetMs, calls, usualMs)).toBe(reserveMs);
  });

  it.each([
    ['is kept', 500, 100, 100],
    ['is half of the deadline at most', 500, 400, 250],
    ['can be none', 500, 0, 0],
  ])('that is set %s', (_what, budgetMs, ms, reserveMs) => {
    expect(fixedReserve(ms).of(budgetMs, true, 20)).toBe(reserveMs);
  });
});
