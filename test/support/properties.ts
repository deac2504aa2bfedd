import fc from 'fast-check';
import { checkInteger } from '../../src/checks.js';

/** An integer from an environment variable; anything but an integer in its bounds is an error. */
export function integerFromEnvironment(name: string, fallback: number, min: number, max: number): number {
  const text = process.env[name];
  return text === undefined || text === '' ? fallback : checkInteger(name, Number(text), min, max);
}

/**
 * What every random test starts from: always the same in `npm test`, so that a failure is the change's and not the
 * day's; `npm run test:random` draws another one, and more runs.
 */
export const SEED = integerFromEnvironment('FAILSOFT_TEST_SEED', 20_26, 0, 2 ** 31 - 1);

/** How many runs a random test makes: its own number, times `FAILSOFT_TEST_RUNS` (1). */
export const runs = (usual: number): number =>
  Math.ceil(usual * integerFromEnvironment('FAILSOFT_TEST_RUNS', 1, 1, 10_000));

/** Asserts the property over that many runs, from `SEED`; a failure prints the seed and the path to it. */
export function expectProperty<T>(property: fc.IProperty<T>, usual: number): void {
  fc.assert(property, { numRuns: runs(usual), seed: SEED });
}
