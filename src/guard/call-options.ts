import { checkKeys, checkOneOf } from '../checks.js';
import type { CircuitMode, Priority } from '../circuit/types.js';
import { invalid } from '../errors.js';

/**
 * Options of a single call.
 * @example client.modelInfer(request, metadata, { failsoft: { fallback: false } }, callback)
 */
export interface FailsoftCallOptions {
  /** `true`: the call is not guarded, not counted, and has no fallback. @default false */
  readonly bypass?: boolean;
  /** The key part of this call, in place of the result of `keyBy`. @default by `keyBy` */
  readonly key?: string;
  /** `false`: no fallback answers this call. @default true */
  readonly fallback?: boolean;
  /**
   * Weakens the circuit for this call. `observe`: the call is counted, never rejected. `off`: it is not counted either.
   * `enforce`: the circuit's own mode. @default 'enforce'
   */
  readonly mode?: CircuitMode;
  /**
   * Where a concurrency limit, a throttle or a ramp admits less than is asked for, calls of low priority get their fallback
   * first, and the last tenth is kept for calls of high priority. @default by the method's `priority`
   */
  readonly priority?: Priority;
}

export const NO_CALL_OPTIONS: FailsoftCallOptions = Object.freeze({});

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    /** What this call wants of a failsoft guard; clients without a guard ignore it. */
    failsoft?: FailsoftCallOptions;
  }
}

export const CALL_OPTION_KEYS: readonly string[] = ['bypass', 'key', 'fallback', 'mode', 'priority'];

/**
 * @param keys the names of the options that there are
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, thrown by the client's method: a misspelt option is a bug of the caller
 */
export function checkCallOptions(
  options: FailsoftCallOptions,
  keys: readonly string[] = CALL_OPTION_KEYS,
): FailsoftCallOptions {
  const field = 'failsoft (call option)';
  checkKeys(field, options, keys);
  for (const name of ['bypass', 'fallback'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean')
      throw invalid(`${field}.${name}`, 'a boolean', value);
  }
  if (options.key !== undefined && typeof options.key !== 'string') {
    throw invalid(`${field}.key`, 'a string', options.key);
  }
  if (options.mode !== undefined) checkOneOf(`${field}.mode`, options.mode, ['enforce', 'observe', 'off']);
  if (options.priority !== undefined)
    checkOneOf(`${field}.priority`, options.priority, ['high', 'normal', 'low']);
  return options;
}
