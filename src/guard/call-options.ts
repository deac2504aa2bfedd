import { checkKeys, checkOneOf } from '../checks.js';
import type { CircuitMode } from '../circuit/types.js';
import { invalid } from '../errors.js';

/** What a single call can say: `client.modelInfer(request, metadata, { failsoft: { fallback: false } }, callback)`. */
export interface FailsoftCallOptions {
  /** Neither guarded nor counted. */
  readonly bypass?: boolean;
  /** The part of the key behind the method's path, instead of what `keyBy` says. */
  readonly key?: string;
  /** `false`: this call would rather have the error. */
  readonly fallback?: boolean;
  /**
   * Weakens the circuit for this call: `observe` counts it but does not reject it, `off` does not even count it.
   * `enforce` leaves the circuit its own mode.
   */
  readonly mode?: CircuitMode;
}

export const NO_CALL_OPTIONS: FailsoftCallOptions = Object.freeze({});

declare module '@grpc/grpc-js/build/src/client.js' {
  interface CallOptions {
    failsoft?: FailsoftCallOptions;
  }
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, out of the client's method: a misspelt option is the caller's bug */
export function checkCallOptions(options: FailsoftCallOptions): FailsoftCallOptions {
  const field = 'failsoft (call option)';
  checkKeys(field, options, ['bypass', 'key', 'fallback', 'mode']);
  for (const name of ['bypass', 'fallback'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean')
      throw invalid(`${field}.${name}`, 'a boolean', value);
  }
  if (options.key !== undefined && typeof options.key !== 'string') {
    throw invalid(`${field}.key`, 'a string', options.key);
  }
  if (options.mode !== undefined) checkOneOf(`${field}.mode`, options.mode, ['enforce', 'observe', 'off']);
  return options;
}
