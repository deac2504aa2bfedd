import { checkNumber } from '../checks.js';
import { invalid } from '../errors.js';

/** Checks a share that must be more than nothing: in (0, 1]. */
export function checkShare(field: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw invalid(field, 'a number above 0 and up to 1', value);
  }
  return value;
}

/** Checks a finite number above 0. */
export function checkPositive(field: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0) || value === Number.POSITIVE_INFINITY) {
    throw invalid(field, 'a finite number above 0', value);
  }
  return value;
}

/** A hundred years: times stay exact in a double. */
const MAX_MS = 3.2e12;

/** Checks a duration, of a hundred years at most. */
export function checkDurationMs(field: string, value: unknown, min: number): number {
  return checkNumber(field, value, min, MAX_MS);
}
