import { describe, expect, it } from 'vitest';
import { Losses } from '../../src/circuit/losses.js';

const ONE_MORE = ', and 1 more were lost with the same connections';

describe('lost calls', () => {
  it.each([
    [100, true],
    [101, false],
  ])('that may have failed alone are correlated with a loss %i ms before: %s', (afterMs, correlated) => {
    const losses = new Losses();
    losses.isCorrelated(1, 5, 0, false, 0);
    expect(losses.isCorrelated(2, 5, 0, false, afterMs)).toBe(correlated);
  });

  it('are mentioned for ten seconds, if there are any', () => {
    const losses = new Losses();
    losses.isCorrelated(1, 5, 0, true, 0);
    expect(losses.remark(0)).toBe('');
    losses.isCorrelated(2, 5, 0, true, 0);
    expect(losses.remark(10_000)).toBe(ONE_MORE);
    expect(losses.remark(10_001)).toBe('');
  });

  it.each([
    [1, ONE_MORE],
    [10_000, ONE_MORE],
    [10_001, ''],
  ])('are added to those of a loss %i ms before only if that is recent', (afterMs, remark) => {
    const losses = new Losses();
    losses.isCorrelated(1, 5, 0, true, 0);
    losses.isCorrelated(2, 5, 0, true, 0);
    expect(losses.isCorrelated(6, 9, 0, true, afterMs)).toBe(false);
    expect(losses.remark(afterMs)).toBe(remark);
  });
});
