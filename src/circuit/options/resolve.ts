import {
  checkDurationMs,
  checkInteger,
  checkKeys,
  checkNumber,
  checkOneOf,
  checkShare,
} from '../../checks.js';
import { invalid } from '../../errors.js';
import { consecutiveFailures } from '../trip/consecutive-failures.js';
import { failureRate } from '../trip/failure-rate.js';
import { parseRule, type TripRule } from '../trip/rules.js';
import type { ResolvedWindow } from '../window/window.js';
import {
  CIRCUIT_MODES,
  type CircuitMode,
  type CircuitOptions,
  type ConcurrencyOptions,
  type HalfOpenOptions,
  type Jitter,
  type OpenOptions,
  type RampOptions,
  type ThrottleOptions,
  type WindowOptions,
} from './circuit-options.js';

export type ResolvedOpen = Required<OpenOptions>;
export type ResolvedHalfOpen = Required<HalfOpenOptions>;
export type ResolvedRamp = Required<RampOptions>;
export type ResolvedThrottle = Required<ThrottleOptions>;
/** `latencyThresholdMs` is Infinity without a threshold. */
export type ResolvedConcurrency = RequiredOfEach<ConcurrencyOptions>;
type RequiredOfEach<T> = T extends unknown ? Required<T> : never;

/** {@link CircuitOptions} after they are copied, checked, filled up with defaults and frozen. */
export interface ResolvedOptions {
  readonly trip: readonly TripRule[];
  readonly window: ResolvedWindow;
  readonly open: ResolvedOpen;
  readonly halfOpen: ResolvedHalfOpen;
  readonly recovering: false | ResolvedRamp;
  readonly concurrency: false | ResolvedConcurrency;
  readonly throttle: false | ResolvedThrottle;
  readonly mode: CircuitMode;
}

const JITTERS: readonly Jitter[] = ['none', 'full', 'equal'];

const MAX_WINDOW = 1_000_000;
const MAX_BUCKETS = 1000;
const MAX_RULES = 16;
const MAX_PROBES = 10_000;
const MAX_LIMIT = 1_000_000;

/**
 * Resolves the options of a circuit.
 * @param field how error messages name the options, such as `options.circuit` or `options.methods[2].circuit`
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function resolveOptions(options: CircuitOptions | undefined, field: string): ResolvedOptions {
  const given = options === undefined ? {} : options;
  checkKeys(field, given, [
    'trip',
    'window',
    'open',
    'halfOpen',
    'recovering',
    'concurrency',
    'throttle',
    'mode',
  ]);
  const { mode = 'enforce' } = given;
  const window = resolveWindow(`${field}.window`, given.window);
  return Object.freeze({
    trip: resolveTrip(`${field}.trip`, given.trip, window),
    window,
    open: resolveOpen(`${field}.open`, given.open),
    halfOpen: resolveHalfOpen(`${field}.halfOpen`, given.halfOpen),
    recovering: resolveRamp(`${field}.recovering`, given.recovering),
    concurrency: resolveConcurrency(`${field}.concurrency`, given.concurrency),
    throttle: resolveThrottle(`${field}.throttle`, given.throttle),
    mode: checkOneOf(`${field}.mode`, mode, CIRCUIT_MODES),
  });
}

/**
 * The options of a circuit for which none are set: see {@link CircuitOptions} for their meaning. To add a trip rule to the
 * default rules, spread them: `trip: [...defaults.trip, slowRate({ ... })]`.
 */
export const defaults: ResolvedOptions = resolveOptions(undefined, 'defaults');

function resolveWindow(field: string, window: WindowOptions = { type: 'count', size: 100 }): ResolvedWindow {
  checkKeys(field, window, ['type', 'size', 'durationMs', 'buckets']);
  checkOneOf(`${field}.type`, window.type, ['count', 'time']);
  if (window.type === 'count') {
    checkKeys(field, window, ['type', 'size']);
    return Object.freeze({
      type: 'count',
      size: checkInteger(`${field}.size`, window.size, 1, MAX_WINDOW),
    });
  }
  checkKeys(field, window, ['type', 'durationMs', 'buckets']);
  const { buckets = 10 } = window;
  return Object.freeze({
    type: 'time',
    durationMs: checkDurationMs(`${field}.durationMs`, window.durationMs, 1),
    buckets: checkInteger(`${field}.buckets`, buckets, 1, MAX_BUCKETS),
  });
}

function resolveTrip(
  field: string,
  rules: readonly TripRule[] | undefined,
  window: ResolvedWindow,
): readonly TripRule[] {
  const most = window.type === 'count' ? window.size : Number.POSITIVE_INFINITY;
  if (rules === undefined) {
    const minimumCalls = Math.min(20, most);
    return Object.freeze([
      consecutiveFailures({ failures: 5 }),
      failureRate({ threshold: 0.5, minimumCalls }),
    ]);
  }
  if (!Array.isArray(rules) || rules.length > MAX_RULES) {
    throw invalid(field, `an array of at most ${MAX_RULES} trip rules`, rules);
  }
  const parsed = rules.map((rule, index) => parseRule(`${field}[${index}]`, rule));
  parsed.forEach((rule, index) => {
    if (rule.rule !== 'consecutive-failures' && rule.minimumCalls > most) {
      const expected = `at most ${most}, the window's size (it could never be reached)`;
      throw invalid(`${field}[${index}].minimumCalls`, expected, rule.minimumCalls);
    }
  });
  if (parsed.filter((rule) => rule.rule === 'adaptive').length > 1) {
    throw invalid(field, 'at most one adaptive rule', rules);
  }
  return Object.freeze(parsed);
}

function resolveOpen(field: string, open: OpenOptions = {}): ResolvedOpen {
  checkKeys(field, open, ['baseMs', 'multiplier', 'maxMs', 'jitter', 'maxPushbackMs']);
  const { baseMs = 1000, multiplier = 1.2, jitter = 'equal', maxPushbackMs = 60_000 } = open;
  checkDurationMs(`${field}.baseMs`, baseMs, 1);
  const { maxMs = Math.max(60_000, baseMs) } = open;
  return Object.freeze({
    baseMs,
    multiplier: checkNumber(`${field}.multiplier`, multiplier, 1, 1000),
    maxMs: checkDurationMs(`${field}.maxMs`, maxMs, baseMs),
    jitter: checkOneOf(`${field}.jitter`, jitter, JITTERS),
    maxPushbackMs: checkDurationMs(`${field}.maxPushbackMs`, maxPushbackMs, 0),
  });
}

/** With `permittedProbes: 3` alone, three probes must succeed; with `successThreshold: 3` alone, three probes are admitted. */
function resolveHalfOpen(field: string, halfOpen: HalfOpenOptions = {}): ResolvedHalfOpen {
  checkKeys(field, halfOpen, ['permittedProbes', 'successThreshold', 'probeTimeoutMs']);
  const { permittedProbes = halfOpen.successThreshold ?? 1, probeTimeoutMs = 10_000 } = halfOpen;
  checkInteger(`${field}.permittedProbes`, permittedProbes, 1, MAX_PROBES);
  const { successThreshold = permittedProbes } = halfOpen;
  return Object.freeze({
    permittedProbes,
    successThreshold: checkInteger(`${field}.successThreshold`, successThreshold, 1, permittedProbes),
    probeTimeoutMs: checkDurationMs(`${field}.probeTimeoutMs`, probeTimeoutMs, 1),
  });
}

function resolveRamp(field: string, ramp: false | RampOptions = {}): false | ResolvedRamp {
  if (ramp === false) return false;
  checkKeys(field, ramp, ['durationMs', 'initialShare']);
  const { durationMs = 5000, initialShare = 0.05 } = ramp;
  return Object.freeze({
    durationMs: checkDurationMs(`${field}.durationMs`, durationMs, 1),
    initialShare: checkShare(`${field}.initialShare`, initialShare),
  });
}

const AIMD_KEYS = ['type', 'initialLimit', 'minLimit', 'maxLimit', 'backoffRatio', 'latencyThresholdMs'];

function resolveConcurrency(
  field: string,
  concurrency: false | ConcurrencyOptions = false,
): false | ResolvedConcurrency {
  if (concurrency === false) return false;
  checkKeys(field, concurrency, ['limit', ...AIMD_KEYS]);
  checkOneOf(`${field}.type`, concurrency.type, ['fixed', 'aimd']);
  if (concurrency.type === 'fixed') {
    checkKeys(field, concurrency, ['type', 'limit']);
    return Object.freeze({
      type: 'fixed',
      limit: checkInteger(`${field}.limit`, concurrency.limit, 1, MAX_LIMIT),
    });
  }
  if ('limit' in concurrency) throw invalid(`${field}.limit`, 'no limit with type aimd', concurrency.limit);
  const { minLimit = 1, backoffRatio = 0.9, latencyThresholdMs = Number.POSITIVE_INFINITY } = concurrency;
  checkInteger(`${field}.minLimit`, minLimit, 1, MAX_LIMIT);
  const { maxLimit = Math.max(200, minLimit) } = concurrency;
  checkInteger(`${field}.maxLimit`, maxLimit, minLimit, MAX_LIMIT);
  const { initialLimit = Math.min(Math.max(20, minLimit), maxLimit) } = concurrency;
  const longest = Number.POSITIVE_INFINITY;
  return Object.freeze({
    type: 'aimd',
    initialLimit: checkInteger(`${field}.initialLimit`, initialLimit, minLimit, maxLimit),
    minLimit,
    maxLimit,
    backoffRatio: checkNumber(`${field}.backoffRatio`, backoffRatio, 0.1, 0.999),
    latencyThresholdMs: checkNumber(`${field}.latencyThresholdMs`, latencyThresholdMs, 0.001, longest),
  });
}

function resolveThrottle(field: string, throttle: false | ThrottleOptions = false): false | ResolvedThrottle {
  if (throttle === false) return false;
  checkKeys(field, throttle, ['k', 'maxRejectShare', 'windowMs']);
  const { k = 2, maxRejectShare = 0.9, windowMs = 120_000 } = throttle;
  return Object.freeze({
    k: checkNumber(`${field}.k`, k, 1, 1000),
    maxRejectShare: checkNumber(`${field}.maxRejectShare`, maxRejectShare, 0, 1),
    windowMs: checkDurationMs(`${field}.windowMs`, windowMs, 100),
  });
}
