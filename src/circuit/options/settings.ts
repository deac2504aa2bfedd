import { invalid } from '../../errors.js';
import type { AdaptiveRule } from '../trip/adaptive.js';
import type { TripCheck } from '../trip/rule.js';
import { compileRule, needsFailures, slowMsOf, type TripRule } from '../trip/rules.js';
import type { WindowSpec } from '../window/window.js';
import type { CircuitOptions } from './circuit-options.js';
import { type ResolvedOptions, resolveOptions } from './resolve.js';

/** Options made ready to run. All circuits with the same options share one object. */
export interface Settings {
  readonly field: string;
  readonly options: ResolvedOptions;
  readonly window: WindowSpec;
  readonly checks: readonly TripCheck[];
  /** The checks that can fire while the window has no failures and no overloads. */
  readonly checksWithoutFailures: readonly TripCheck[];
  readonly adaptive: AdaptiveRule | undefined;
  /** The mark that a snapshot's `slowRate` counts; undefined without a slow-rate rule. */
  readonly slowMark: number | undefined;
  /** Whether a trip rule depends on how long calls take. */
  readonly goesByDurations: boolean;
  /** A probe that took longer than this fails: the lowest threshold of the latency and slow rules; Infinity without such a rule. */
  readonly slowProbeMs: number;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field */
export function compileSettings(options: CircuitOptions | undefined, field: string): Settings {
  const resolved = resolveOptions(options, field);
  const { trip } = resolved;
  const slowMs = trip.map((rule) => slowMsOf(rule.rule, rule)).filter((known) => known !== undefined);
  const thresholdsMs = [...new Set(slowMs)];
  const markOf = (thresholdMs: number) => thresholdsMs.indexOf(thresholdMs);
  const slow = trip.find((rule) => rule.rule === 'slow-rate');
  const adaptive = trip.find((rule) => rule.rule === 'adaptive');
  const compile = (rule: TripRule) => compileRule(rule.rule, rule, markOf);
  return Object.freeze({
    field,
    options: resolved,
    window: { window: resolved.window, thresholdsMs, sum: adaptive !== undefined },
    checks: trip.map(compile),
    checksWithoutFailures: trip.filter(({ rule }) => !needsFailures(rule)).map(compile),
    adaptive,
    slowMark: slow && markOf(slow.slowThresholdMs),
    goesByDurations: adaptive !== undefined || thresholdsMs.length > 0,
    slowProbeMs: Math.min(Number.POSITIVE_INFINITY, ...thresholdsMs),
  });
}

/**
 * The new settings of a running circuit. Without a mode in the options, the circuit keeps the mode of its old options. Options
 * that are no object are an error: they do not stand for the defaults.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function newSettings(options: CircuitOptions, old: Settings): Settings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(old.field, 'an object', options);
  }
  const { mode = old.options.mode } = options;
  const settings = compileSettings({ ...options, mode }, old.field);
  const wasThrottle = old.options.throttle !== false;
  if ((settings.options.throttle !== false) !== wasThrottle) {
    const expected = wasThrottle
      ? 'a throttle: it cannot become a circuit while it runs'
      : 'no throttle: a circuit cannot become one while it runs';
    throw invalid(`${old.field}.throttle`, expected, options.throttle);
  }
  return settings;
}
