import type { BadHead } from '../http/without-good-response.js';
import { ResponseHeaders } from './headers.js';

/** Errors of a request that never left the process: wrong arguments, or a dispatcher that is closed. */
const REFUSED: ReadonlySet<unknown> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

export function isRefused(error: unknown): boolean {
  return REFUSED.has(fieldOf(error, 'code'));
}

/** The head of the response that an interceptor behind the guard made an error: `interceptors.retry()`, `responseError()`. */
export function headOfError(error: unknown): BadHead | undefined {
  const status = fieldOf(error, 'statusCode');
  if (typeof status !== 'number' || status < 400) return undefined;
  const headers = fieldOf(error, 'headers');
  return { status, statusText: '', headers: new ResponseHeaders(isHeaders(headers) ? headers : {}) };
}

function isHeaders(value: unknown): value is Record<string, string | string[]> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => typeof each === 'string' || Array.isArray(each))
  );
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
