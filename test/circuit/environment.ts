import { checkInteger } from '../../src/checks.js';

/** A test's size from an environment variable; anything but an integer in its bounds is an error. */
export function integerFromEnvironment(name: string, fallback: number, min: number, max: number): number {
  const text = process.env[name];
  return text === undefined || text === '' ? fallback : checkInteger(name, Number(text), min, max);
}
