import { seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { standardNormal } from '../../src/testing/random.js';

const draws = (seed: number, count: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random());
};

describe('seededRandom', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    expect(draws(1, 100)).toEqual(draws(1, 100));
    expect(draws(1, 5)).not.toEqual(draws(2, 5));
  });

  it('is uniform in [0, 1)', () => {
    const values = draws(3, 100_000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = values.filter((value) => Math.floor(value * 10) === tenth).length / values.length;
      expect(share).toBeCloseTo(0.1, 2);
    }
  });
});

it('standardNormal has mean 0 and deviation 1', () => {
  const random = seededRandom(4);
  const values = Array.from({ length: 50_000 }, () => standardNormal(random));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(Math.sqrt(variance)).toBeCloseTo(1, 1);
});
