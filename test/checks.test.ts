import { createGuard, lastGood } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { checkKeys } from '../src/checks.js';

const OPTIONS = ['circuit', 'classify', 'keyBy', 'maxCircuits', 'minimumDeadlineMs', 'mode', 'k'];
const suggestionFor = (name: string): string | undefined => {
  try {
    checkKeys('options', { [name]: 1 }, OPTIONS);
  } catch (error) {
    return /; did you mean (.*)\?$/.exec(String(error))?.[1];
  }
  throw new Error('expected an error');
};

describe('an unknown option', () => {
  it.each([
    ['cicuit', 'circuit'],
    ['circuits', 'circuit'],
    ['ciruict', 'circuit'],
    ['CIRCUIT', 'circuit'],
    ['keyby', 'keyBy'],
    ['maxCircuit', 'maxCircuits'],
    ['minDeadlineMs', 'minimumDeadlineMs'],
    ['mdoe', 'mode'],
    ['kk', 'k'],
    ['timeout', undefined],
    ['xyz', undefined],
    ['c'.repeat(1e6), undefined],
  ])('%s: did you mean %s?', (name, meant) => {
    expect(suggestionFor(name)).toBe(meant);
  });

  it('has one with no known options', () => {
    expect(() => checkKeys('options', { a: 1 }, [])).toThrow(/got an unknown option$/);
  });

  it.each([
    [() => createGuard(JSON.parse('{"fallback": 1}')), /^options\.fallback: .*; did you mean fallbacks\?$/],
    [
      () => createGuard(JSON.parse('{"circuit": {"windows": 1}}')),
      /^options\.circuit\.windows: .*; did you mean window\?$/,
    ],
    [
      () => createGuard(JSON.parse('{"methods": [{"match": "*", "circuit": {"trips": 1}}]}')),
      /^options\.methods\[0\]\.circuit\.trips: .*; did you mean trip\?$/,
    ],
    [() => lastGood(JSON.parse('{"maxAgeMs": 1, "ttlMS": 1}')), /^lastGood\.maxAgeMs: /],
    [() => lastGood(JSON.parse('{"ttlMS": 1}')), /^lastGood\.ttlMS: .*; did you mean ttlMs\?$/],
  ])('is named with its whole path (%#)', (make, message) => {
    expect(make).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
  });
});
