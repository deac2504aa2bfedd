import { invalid, unknownOption } from './errors.js';

/** Checks that a number lies in `[min, max]`; `Infinity` only where `max` is. */
export function checkNumber(
  field: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw invalid(field, `a number from ${min} to ${max}`, value);
  }
  return value;
}

export function checkInteger(
  field: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalid(field, `an integer from ${min} to ${max}`, value);
  }
  return value as number;
}

export function checkFunction<T>(field: string, value: T): T {
  if (typeof value !== 'function') throw invalid(field, 'a function', value);
  return value;
}

export function checkOneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw invalid(field, `one of ${allowed.join(', ')}`, value);
  return value as T;
}

/** Checks that `value` is an object with no key outside `known`: a misspelt option is an error, not a default. */
export function checkKeys(field: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(field, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw unknownOption(`${field}.${key}`, known);
  }
}

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
const LONGEST_MS = 3.2e12;

/** Checks a duration in milliseconds, a hundred years at most. */
export function checkDurationMs(field: string, value: unknown, min: number): number {
  return checkNumber(field, value, min, LONGEST_MS);
}
