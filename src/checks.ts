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
