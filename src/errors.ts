import { cut } from './text.js';

/** Stable codes of every error that failsoft itself throws. Branch on these, not on messages. */
export type FailsoftErrorCode =
  /** An option, a snapshot, a default answer or an environment value is not what was expected. */
  | 'FAILSOFT_INVALID_ARGUMENT'
  /** An engine does not support an option or a method (see its `capabilities`), or an optional package is not installed. */
  | 'FAILSOFT_UNSUPPORTED'
  /** `execute()` was not admitted by the circuit. */
  | 'FAILSOFT_REJECTED'
  /** An object was used after it was closed. */
  | 'FAILSOFT_CLOSED'
  /** A queue's directory is open already, here or in another process. */
  | 'FAILSOFT_IN_USE'
  /** Stored data were changed or damaged. The message names the next step. */
  | 'FAILSOFT_DAMAGED'
  /** A store does not answer or cannot write now. Nothing was stored; a later try may succeed. */
  | 'FAILSOFT_UNAVAILABLE';

const BRAND = Symbol.for('failsoft.error');

/** The only class of errors that failsoft throws. Calls on a guarded client never end with it: they get gRPC statuses. */
export class FailsoftError extends Error {
  /** Always 'FailsoftError'. */
  override readonly name = 'FailsoftError';
  /** Names the kind of error. Stable, unlike the message. */
  readonly code: FailsoftErrorCode;
  /** Works with two copies of the package in one process, where `instanceof` does not. */
  readonly [BRAND] = true;

  constructor(code: FailsoftErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether a thrown value is a {@link FailsoftError}, from this or another copy of the package. */
export function isFailsoftError(value: unknown): value is FailsoftError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * The error for a bad value. Its message names the field, the values that are allowed, and the value that was given.
 * @example invalid('circuit.window.size', 'an integer from 1 to 100000', -1)
 */
export function invalid(field: string, expected: string, got: unknown): FailsoftError {
  return new FailsoftError('FAILSOFT_INVALID_ARGUMENT', `${field}: expected ${expected}, got ${show(got)}`);
}

/** The error for an unknown option: a misspelt option must not leave its default in force unnoticed. */
export function unknownOption(field: string, known: readonly string[], meant?: string): FailsoftError {
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  const message = `${field}: expected one of the options ${known.join(', ')}, got an unknown option${hint}`;
  return new FailsoftError('FAILSOFT_INVALID_ARGUMENT', message);
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value, 80, '…'));
  if (typeof value === 'function') return `a function${value.name ? ` (${value.name})` : ''}`;
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    return `an object {${Object.keys(value).slice(0, 8).join(', ')}}`;
  }
  return typeof value === 'bigint' ? `${value}n` : String(value);
}
