import { invalid, unknownOption } from './errors.js';

/** Checks that a value is a number in `[min, max]`. `Infinity` passes only if `max` is `Infinity`. */
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

export function checkBoolean(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalid(field, 'a boolean', value);
  return value;
}

export function checkFunction<T>(field: string, value: T): T {
  if (typeof value !== 'function') throw invalid(field, 'a function', value);
  return value;
}

/** Checks a target of circuit keys. It may have no `#`, because the first `#` of a key divides its parts. */
export function checkTarget(field: string, value: unknown): void {
  if (typeof value !== 'string' || value.includes('#')) throw invalid(field, 'a string without #', value);
}

export function checkOneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw invalid(field, `one of ${allowed.join(', ')}`, value);
  return value as T;
}

/**
 * Checks that `value` is an object with no key outside `known`: a misspelt option is an error, not a default.
 * @param elsewhere the right place of options that users often write here by mistake: `mode` -> `circuit.mode`
 */
export function checkKeys(
  field: string,
  value: unknown,
  known: readonly string[],
  elsewhere: ReadonlyMap<string, string> = new Map(),
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(field, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw unknownOption(`${field}.${key}`, known, elsewhere.get(key) ?? closest(key, known));
  }
}

/** The known name that the user probably meant: at most a third of its letters differ. Case does not count. */
function closest(name: string, known: readonly string[]): string | undefined {
  const rated = known.map((each) => ({ each, edits: editsBetween(name.toLowerCase(), each.toLowerCase()) }));
  const [best] = rated.sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(1, Math.floor(best.each.length / 3))
    ? best.each
    : undefined;
}

/** A longer name is not compared: no option is as long, so it is no misspelt option. */
const LONGEST_NAME = 64;

/** How many letters must be inserted, removed, replaced or swapped with a neighbour to turn `a` into `b`. */
function editsBetween(a: string, b: string): number {
  if (a.length > LONGEST_NAME) return Number.POSITIVE_INFINITY;
  let [before, row]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, (before[j - 2] ?? 0) + 1);
      next.push(edits);
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}

/** Checks a share that must not be 0: in (0, 1]. */
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

/** A hundred years. A double still holds such times exactly. */
const LONGEST_MS = 3.2e12;

/** Checks a duration in milliseconds, a hundred years at most. */
export function checkDurationMs(field: string, value: unknown, min: number): number {
  return checkNumber(field, value, min, LONGEST_MS);
}
