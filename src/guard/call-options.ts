import { checkBoolean, checkKeys, checkOneOf } from '../checks.js';
import { CIRCUIT_MODES, type CircuitMode, PRIORITIES, type Priority } from '../circuit/types.js';
import { invalid } from '../errors.js';

/**
 * Options of a single call.
 * @example client.modelInfer(request, metadata, { failsoft: { fallback: false } }, callback)
 */
export interface FailsoftCallOptions {
  /** `true`: the call is not guarded, not counted, and has no fallback. @default false */
  readonly bypass?: boolean;
  /** The key part of this call. @default the result of the method's `keyBy` */
  readonly key?: string;
  /** `false`: no fallback answers this call. @default true */
  readonly fallback?: boolean;
  /**
   * Weakens the circuit for this call. `observe`: the call is counted, but never rejected. `off`: the call is not counted either.
   * `enforce`: the circuit's own mode applies. @default 'enforce'
   */
  readonly mode?: CircuitMode;
  /**
   * If a concurrency limit, a throttle or a ramp cannot admit every call, calls of low priority are rejected first (and get their
   * fallback), and the last tenth of a limit is reserved for calls of high priority. @default the method's `priority`
   */
  readonly priority?: Priority;
}

export const NO_CALL_OPTIONS: FailsoftCallOptions = Object.freeze({});

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    /** Options of this call for a failsoft guard. A client without a guard ignores them. */
    failsoft?: FailsoftCallOptions;
  }
}

export const CALL_OPTION_KEYS: readonly string[] = ['bypass', 'key', 'fallback', 'mode', 'priority'];

/**
 * Checks the options of a call.
 * @param keys the names of all known options
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT. The client's method throws it, because a misspelt option is a bug of the caller
 */
export function checkCallOptions(
  options: FailsoftCallOptions,
  keys: readonly string[] = CALL_OPTION_KEYS,
): FailsoftCallOptions {
  const field = 'failsoft (call option)';
  checkKeys(field, options, keys);
  for (const name of ['bypass', 'fallback'] as const) {
    if (options[name] !== undefined) checkBoolean(`${field}.${name}`, options[name]);
  }
  if (options.key !== undefined && typeof options.key !== 'string') {
    throw invalid(`${field}.key`, 'a string', options.key);
  }
  if (options.mode !== undefined) checkOneOf(`${field}.mode`, options.mode, CIRCUIT_MODES);
  if (options.priority !== undefined) checkOneOf(`${field}.priority`, options.priority, PRIORITIES);
  return options;
}
