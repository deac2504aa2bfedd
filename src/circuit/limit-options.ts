import { checkInteger, checkKeys, checkNumber, checkOneOf } from '../checks.js';
import { invalid } from '../errors.js';
import { checkDurationMs } from './option-checks.js';
import type { ConcurrencyOptions, ThrottleOptions } from './types.js';

// How options that limit the calls, whatever the state of the circuit, are checked and filled in.

export type ResolvedConcurrency =
  | { readonly type: 'fixed'; readonly limit: number }
  | {
      readonly type: 'aimd';
      readonly initialLimit: number;
      readonly minLimit: number;
      readonly maxLimit: number;
      readonly backoffRatio: number;
      /** Infinity for none. */
      readonly latencyThresholdMs: number;
    };

export type ResolvedThrottle = Required<ThrottleOptions>;

const MAX_LIMIT = 1_000_000;

export function resolveConcurrency(
  field: string,
  concurrency: false | ConcurrencyOptions = false,
): false | ResolvedConcurrency {
  if (concurrency === false) return false;
  checkKeys(field, concurrency, [
    'type',
    'limit',
    'initialLimit',
    'minLimit',
    'maxLimit',
    'backoffRatio',
    'latencyThresholdMs',
  ]);
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
  return Object.freeze({
    type: 'aimd',
    initialLimit: checkInteger(`${field}.initialLimit`, initialLimit, minLimit, maxLimit),
    minLimit,
    maxLimit,
    backoffRatio: checkNumber(`${field}.backoffRatio`, backoffRatio, 0.1, 0.999),
    latencyThresholdMs: checkNumber(
      `${field}.latencyThresholdMs`,
      latencyThresholdMs,
      0.001,
      Number.POSITIVE_INFINITY,
    ),
  });
}

export function resolveThrottle(
  field: string,
  throttle: false | ThrottleOptions = false,
): false | ResolvedThrottle {
  if (throttle === false) return false;
  checkKeys(field, throttle, ['k', 'maxRejectShare', 'windowMs']);
  const { k = 2, maxRejectShare = 0.9, windowMs = 120_000 } = throttle;
  return Object.freeze({
    k: checkNumber(`${field}.k`, k, 1, 1000),
    maxRejectShare: checkNumber(`${field}.maxRejectShare`, maxRejectShare, 0, 1),
    windowMs: checkDurationMs(`${field}.windowMs`, windowMs, 100),
  });
}
