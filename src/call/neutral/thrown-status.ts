import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { checkOneOf } from '../../checks.js';
import type { Rejection } from '../../circuit/types.js';
import { OUTCOMES, type Outcome } from '../../classify/outcome.js';
import { codeOfHttpStatus } from '../../status/http-status.js';
import { normalStatus } from '../../status/normal-status.js';
import { wellFormed } from '../../text.js';
import type { CallPort } from './call-types.js';

/** The status of an error by the transport's port; if that gives no status, by {@link commonStatusOf}. Never throws. */
export function statusOfThrown(
  port: CallPort,
  error: unknown,
  report: (error: unknown) => void,
): StatusObject {
  try {
    const known = port.statusOf?.(error);
    if (known !== undefined) return normalStatus(known);
  } catch (thrown) {
    report(thrown);
  }
  return commonStatusOf(error);
}

/** The outcome of an error by the port; undefined if the status decides. Never throws. */
export function outcomeOfThrown(
  port: CallPort,
  error: unknown,
  report: (error: unknown) => void,
): Outcome | undefined {
  if (port.outcomeOf === undefined) return undefined;
  try {
    const outcome = port.outcomeOf(error);
    return outcome === undefined ? undefined : checkOneOf('outcomeOf', outcome, OUTCOMES);
  } catch (thrown) {
    report(thrown);
    return undefined;
  }
}

/** The status of any thrown value; see {@link CallPort.statusOf}. Never throws. */
export function commonStatusOf(error: unknown): StatusObject {
  try {
    if (typeof error !== 'object' || error === null) return statusOf(status.UNKNOWN, String(error));
    const { code, details, name, message, cause, status: http }: Fields = error;
    if (name === 'TimeoutError') return statusOf(status.DEADLINE_EXCEEDED, message);
    if (name === 'AbortError') return statusOf(status.CANCELLED, message);
    if (typeof code === 'number' && details !== undefined) return normalStatus(error);
    if (isHttpStatus(http)) return statusOf(codeOfHttpStatus(http), message);
    const isOfNetwork = isNetworkCode(code) || (isObject(cause) && isNetworkCode(Reflect.get(cause, 'code')));
    return statusOf(isOfNetwork ? status.UNAVAILABLE : status.UNKNOWN, message);
  } catch {
    return statusOf(status.UNKNOWN, ''); // a getter may throw
  }
}

type Fields = Partial<Record<'code' | 'details' | 'name' | 'message' | 'cause' | 'status', unknown>>;

/** The error of a status, as grpc-js makes it. */
export function serviceError(given: StatusObject): Error & StatusObject {
  const text = `${given.code} ${status[given.code] ?? 'UNKNOWN'}: ${given.details}`;
  return Object.assign(new Error(text), given);
}

/** The error that the caller gets for a status. If the port throws, that is reported, and the caller gets {@link serviceError}. */
export function errorOfStatus(
  port: CallPort,
  given: StatusObject,
  report: (error: unknown) => void,
  rejection?: Rejection,
): unknown {
  try {
    if (port.errorOf !== undefined) return port.errorOf(given, rejection);
  } catch (thrown) {
    report(thrown);
  }
  return serviceError(given);
}

function statusOf(code: status, message: unknown): StatusObject {
  const details = typeof message === 'string' ? wellFormed(message) : '';
  return { code, details, metadata: new Metadata() };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isHttpStatus(value: unknown): value is number {
  return typeof value === 'number' && value >= 400 && value <= 599;
}

/** Codes of Node's sockets and DNS (ECONNREFUSED, EAI_AGAIN), and of undici (UND_ERR_SOCKET). */
function isNetworkCode(code: unknown): boolean {
  return typeof code === 'string' && /^(?:E[A-Z_]{3,}$|UND_ERR_(?!INVALID_ARG|ABORTED))/.test(code);
}
