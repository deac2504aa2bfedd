import { expect, it } from 'vitest';
import { sortMaps } from '../../../src/fallback/request-key/canonical.js';

it.each([
  ['after a number', (entries: object) => [1, entries]],
  ['after null', (entries: object) => [null, entries]],
  ['after bytes', (entries: object) => [Buffer.from([1]), entries]],
  ['in a list in a list', (entries: object) => [[1], ['x', [entries]]]],
])('sorts maps in a list of values of several types: %s', (_, list) => {
  const text = (value: unknown) => JSON.stringify(sortMaps(value));
  expect(text({ values: list({ b: 1, a: 2 }) })).toBe(text({ values: list({ a: 2, b: 1 }) }));
});
