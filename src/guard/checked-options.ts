import { checkBoolean, checkFunction, checkInteger, checkKeys } from '../checks.js';
import { type Clock, systemClock } from '../clock.js';
import type { Engine } from '../engines/engine.js';
import { nativeEngine } from '../engines/native.js';
import { invalid } from '../errors.js';
import type { FallbackRegistry } from '../fallback/registry.js';
import { GUARD_OPTION_KEYS, type GuardOptions, type GuardSettings } from './guard-options.js';

/** The options of a guard, checked and filled in. `SettingsResolver` checks the settings of methods. */
export interface CheckedOptions {
  readonly engine: Engine;
  readonly fallbacks: FallbackRegistry | undefined;
  readonly rememberProvenance: boolean;
  readonly maxCircuits: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly settings: GuardSettings;
}

/** Where the options of a circuit belong, for users who write them at the top. */
const OF_CIRCUIT = new Map(
  ['trip', 'window', 'open', 'halfOpen', 'recovering', 'concurrency', 'throttle', 'mode'].map((name) => [
    name,
    `circuit.${name}`,
  ]),
);

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option */
export function checkGuardOptions(options: GuardOptions): CheckedOptions {
  checkKeys('options', options, GUARD_OPTION_KEYS, OF_CIRCUIT);
  const {
    fallbacks,
    rememberProvenance = false,
    engine = nativeEngine,
    maxCircuits = 1_000,
    clock = systemClock,
    random = Math.random,
    ...settings
  } = options;
  if (typeof engine?.configure !== 'function') throw invalid('options.engine', 'an engine', engine);
  if (fallbacks !== undefined && typeof fallbacks?.chainFor !== 'function')
    throw invalid('options.fallbacks', 'a FallbackRegistry', fallbacks);
  checkBoolean('options.rememberProvenance', rememberProvenance);
  checkClock(clock);
  checkFunction('options.random', random);
  checkInteger('options.maxCircuits', maxCircuits, 1);
  return { engine, fallbacks, rememberProvenance, maxCircuits, clock, random, settings };
}

function checkClock(clock: Clock): void {
  checkFunction('options.clock.now', clock?.now);
  checkFunction('options.clock.setTimer', clock.setTimer);
  checkFunction('options.clock.epochMs', clock.epochMs);
  if (clock.loop === undefined) return;
  checkFunction('options.clock.loop.idleMs', clock.loop?.idleMs);
  checkFunction('options.clock.loop.turns', clock.loop.turns);
}
