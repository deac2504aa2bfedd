import { checkInteger, checkKeys, checkNumber, checkOneOf } from '../checks.js';
import { invalid } from '../errors.js';
import {
  type ResolvedConcurrency,
  type ResolvedThrottle,
  resolveConcurrency,
  resolveThrottle,
} from './limit-options.js';
import { checkDurationMs, checkShare } from './option-checks.js';
import { parseRule } from './trip/compile.js';
import { consecutiveFailures } from './trip/consecutive-failures.js';
import { failureRate } from './trip/failure-rate.js';
import type { CircuitMode, CircuitOptions, Jitter, TripRule, WindowOptions } from './types.js';
import type { ResolvedWindow } from './window/window.js';

export interface ResolvedOpen {
  readonly baseMs: number;
  readonly multiplier: number;
  readonly maxMs: number;
  readonly jitter: Jitter;
  readonly maxPushbackMs: number;
}

export interface ResolvedHalfOpen {
  readonly permittedProbes: number;
  readonly successThreshold: number;
  readonly probeTimeoutMs: number;
}

export interface ResolvedRamp {
  readonly durationMs: number;
  readonly initialShare: number;
}

/** {@link CircuitOptions}, copied, checked, with every default filled in, and frozen. */
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

export const CIRCUIT_MODES: readonly CircuitMode[] = ['enforce', 'observe', 'off'];

const MAX_WINDOW = 1_000_000;
const MAX_BUCKETS = 1000;
const MAX_RULES = 16;
const JITTERS: readonly Jitter[] = ['none', 'full', 'equal'];

/**
 * Resolves the options of a circuit.
 * @param field how error messages name the options, such as `circuit` or `methods[2].circuit`
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
  const window = resolveWindow(`${field}.window`, given.window);
  return Object.freeze({
    trip: resolveTrip(`${field}.trip`, given.trip, window),
    window,
    open: resolveOpen(`${field}.open`, given.open),
    halfOpen: resolveHalfOpen(`${field}.halfOpen`, given.halfOpen),
    recovering: resolveRamp(`${field}.recovering`, given.recovering),
    concurrency: resolveConcurrency(`${field}.concurrency`, given.concurrency),
    throttle: resolveThrottle(`${field}.throttle`, given.throttle),
    mode: checkOneOf(`${field}.mode`, or(given.mode, 'enforce'), CIRCUIT_MODES),
  });
}

function or<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
}

/** The default window is the last 100 calls. */
function resolveWindow(field: string, window: WindowOptions = { type: 'count', size: 100 }): ResolvedWindow {
  checkKeys(field, window, ['type', 'size', 'durationMs', 'buckets']);
  if (checkOneOf(`${field}.type`, window.type, ['count', 'time']) === 'count' && window.type === 'count') {
    checkKeys(field, window, ['type', 'size']);
    return Object.freeze({
      type: 'count',
      size: checkInteger(`${field}.size`, window.size, 1, MAX_WINDOW),
    });
  }
  if (window.type !== 'time') throw invalid(`${field}.type`, 'one of count, time', window.type);
  checkKeys(field, window, ['type', 'durationMs', 'buckets']);
  const durationMs = checkDurationMs(`${field}.durationMs`, window.durationMs, 1);
  const buckets = checkInteger(`${field}.buckets`, or(window.buckets, 10), 1, MAX_BUCKETS);
  return Object.freeze({ type: 'time', durationMs, buckets });
}

/** By default: five failures in a row, or half of at least twenty calls. */
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

function resolveOpen(field: string, open: CircuitOptions['open'] = {}): ResolvedOpen {
  checkKeys(field, open, ['baseMs', 'multiplier', 'maxMs', 'jitter', 'maxPushbackMs']);
  const baseMs = checkDurationMs(`${field}.baseMs`, or(open.baseMs, 5000), 1);
  return Object.freeze({
    baseMs,
    multiplier: checkNumber(`${field}.multiplier`, or(open.multiplier, 2), 1, 1000),
    maxMs: checkDurationMs(`${field}.maxMs`, or(open.maxMs, Math.max(60_000, baseMs)), baseMs),
    jitter: checkOneOf(`${field}.jitter`, or(open.jitter, 'equal'), JITTERS),
    maxPushbackMs: checkDurationMs(`${field}.maxPushbackMs`, or(open.maxPushbackMs, 60_000), 0),
  });
}

/** One of the two alone sets both: `permittedProbes: 3` asks for three successes, `successThreshold: 3` for three probes. */
function resolveHalfOpen(field: string, halfOpen: CircuitOptions['halfOpen'] = {}): ResolvedHalfOpen {
  checkKeys(field, halfOpen, ['permittedProbes', 'successThreshold', 'probeTimeoutMs']);
  const permittedProbes = checkInteger(
    `${field}.permittedProbes`,
    or(halfOpen.permittedProbes, or(halfOpen.successThreshold, 1)),
    1,
    10_000,
  );
  return Object.freeze({
    permittedProbes,
    successThreshold: checkInteger(
      `${field}.successThreshold`,
      or(halfOpen.successThreshold, permittedProbes),
      1,
      permittedProbes,
    ),
    probeTimeoutMs: checkDurationMs(`${field}.probeTimeoutMs`, or(halfOpen.probeTimeoutMs, 10_000), 1),
  });
}

function resolveRamp(field: string, ramp: CircuitOptions['recovering'] = {}): false | ResolvedRamp {
  if (ramp === false) return false;
  checkKeys(field, ramp, ['durationMs', 'initialShare']);
  return Object.freeze({
    durationMs: checkDurationMs(`${field}.durationMs`, or(ramp.durationMs, 5000), 1),
    initialShare: checkShare(`${field}.initialShare`, or(ramp.initialShare, 0.2)),
  });
}
