import { invalid } from '../errors.js';
import { type ResolvedOptions, resolveOptions } from './options.js';
import { compileRules, thresholdsOf } from './trip/compile.js';
import type { TripCheck } from './trip/rule.js';
import type { AdaptiveRule, CircuitOptions } from './types.js';
import type { WindowSpec } from './window/window.js';

/** Options made ready to run; one object serves every circuit that has them. */
export interface Settings {
  readonly field: string;
  readonly options: ResolvedOptions;
  readonly window: WindowSpec;
  readonly checks: readonly TripCheck[];
  readonly adaptive: AdaptiveRule | undefined;
  /** The mark that a snapshot's `slowRate` counts; undefined without a slow-rate rule. */
  readonly slowMark: number | undefined;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field */
export function compileSettings(options: CircuitOptions | undefined, field: string): Settings {
  const resolved = resolveOptions(options, field);
  const thresholdsMs = thresholdsOf(resolved.trip);
  const markOf = (thresholdMs: number) => thresholdsMs.indexOf(thresholdMs);
  const slow = resolved.trip.find((rule) => rule.rule === 'slow-rate');
  const adaptive = resolved.trip.find((rule) => rule.rule === 'adaptive');
  return Object.freeze({
    field,
    options: resolved,
    window: { window: resolved.window, thresholdsMs, sum: adaptive !== undefined },
    checks: compileRules(resolved.trip, markOf),
    adaptive,
    slowMark: slow && markOf(slow.slowThresholdMs),
  });
}

/**
 * The settings that a running circuit is given: without options it is not set back to the defaults.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function newSettings(options: CircuitOptions, old: Settings): Settings {
  if (options === undefined) throw invalid(old.field, 'an object', options);
  const settings = compileSettings(options, old.field);
  const wasThrottle = old.options.throttle !== false;
  if ((settings.options.throttle !== false) !== wasThrottle) {
    const expected = wasThrottle
      ? 'a throttle: it cannot become a circuit while it runs'
      : 'no throttle: a circuit cannot become one while it runs';
    throw invalid(`${old.field}.throttle`, expected, options.throttle);
  }
  return settings;
}
