import {
  DEMAND_FEATURES,
  DEMAND_MODELS,
  demandLevel,
  demandRequest,
  labelledInputs,
  MAJORITY_LEVEL,
  majorityAnswer,
  NETWORKS,
} from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { heldOutInputs } from '../../scripts/demand-plans.js';
import { accuracy } from '../../scripts/trainer.js';
import { predict, softmax } from '../../src/testing/demand/network.js';

const heldOut = heldOutInputs();

describe('labelledInputs', () => {
  const first = (seed: number) =>
    Array.from(
      { length: 50 },
      (
        (source) => () =>
          source.next().value
      )(labelledInputs(seed)),
    );

  it('gives the same inputs for the same seed and others for another', () => {
    expect(first(7)).toEqual(first(7));
    expect(first(7)).not.toEqual(first(8));
  });
  it('gives a value per feature', () => {
    expect(first(7).every(({ features }) => features.length === DEMAND_FEATURES.length)).toBe(true);
  });
  it.each([-1, 1.5, 2 ** 32])('refuses the seed %d', (seed) => {
    expect(() => labelledInputs(seed).next()).toThrow('seed: expected an integer from 0');
  });
});

describe('the committed models', () => {
  it.each(DEMAND_MODELS)('%s has the accuracy of its file on held-out inputs', (name) => {
    expect(accuracy(NETWORKS[name], heldOut)).toBe(NETWORKS[name].heldOutAccuracy);
  });

  it('differ visibly, from each other and from a constant answer', () => {
    const majority = heldOut.filter(({ level }) => level === MAJORITY_LEVEL).length / heldOut.length;
    const levels = new Set(heldOut.map(({ level }) => level));
    for (const level of levels) {
      expect(heldOut.filter((input) => input.level === level).length / heldOut.length).toBeLessThanOrEqual(
        majority,
      );
    }
    expect(levels.size).toBe(5);
    expect(majority).toBeLessThan(0.45);
    expect(NETWORKS['demand-small'].heldOutAccuracy).toBeGreaterThan(0.75);
    expect(NETWORKS['demand-small'].heldOutAccuracy).toBeLessThan(0.85);
    expect(NETWORKS['demand-large'].heldOutAccuracy).toBeGreaterThan(0.93);
  });

  it('predict probabilities', () => {
    for (const { features } of heldOut.slice(0, 100)) {
      const probabilities = predict(NETWORKS['demand-large'], features);
      expect(probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
    }
  });
});

it('softmax equals its definition, and does not overflow', () => {
  const values = [0.5, -1, 3, 0];
  const sum = values.reduce((total, value) => total + Math.exp(value), 0);
  softmax(values).forEach((share, index) => {
    expect(share).toBeCloseTo(Math.exp(values[index] ?? 0) / sum, 10);
  });
  expect(softmax([1000, 0])).toEqual([1, 0]);
});

it('the majority answer is read as any answer', () => {
  const answer = majorityAnswer(demandRequest('demand-large', [], 'r1'));
  expect(demandLevel(answer)).toBe(MAJORITY_LEVEL);
  expect(answer.id).toBe('r1');
  expect(() => demandLevel({ ...answer, outputs: [] })).toThrow('response: expected an output "level"');
});
