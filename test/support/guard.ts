import {
  type CircuitOptions,
  createGuard as create,
  failureRate,
  type Guard,
  type GuardOptions,
} from 'failsoft';
import { engines } from './engines.js';

const wanted = process.env.FAILSOFT_TEST_ENGINE ?? 'native';
const found = engines.find(({ name }) => name === wanted);
if (found === undefined) {
  const names = engines.map(({ name }) => name).join(', ');
  throw new Error(`FAILSOFT_TEST_ENGINE: expected one of ${names}, got ${JSON.stringify(wanted)}`);
}
const { engine } = found;

/** What the engine under test can do: a test of something that it cannot is not defined. */
export const { capabilities } = engine();

/** A guard on the engine under test: the interceptor's suite runs once for each. */
export function createGuard(options: GuardOptions = {}): Guard {
  return create({ engine: engine(), ...options });
}

/** Opens a fresh circuit at its nth failure, on every engine. */
export function tripAfter(failures: number): Pick<CircuitOptions, 'trip'> {
  return { trip: [failureRate({ threshold: 0.5, minimumCalls: failures })] };
}

/** Never opens, on any engine. */
export function neverTrip(): Pick<CircuitOptions, 'trip'> {
  const failures = 1e9;
  if (capabilities.tripRules.has('consecutive-failures'))
    return { trip: [{ rule: 'consecutive-failures', failures }] };
  return { trip: [failureRate({ threshold: 1, minimumCalls: failures })] };
}

/** Circuit options of which the engine under test gets only what it can do. */
export function openFor(baseMs: number): Pick<CircuitOptions, 'open' | 'recovering'> {
  return { open: { baseMs, ...(capabilities.openTimeBackoff && { jitter: 'none' }) }, recovering: false };
}
