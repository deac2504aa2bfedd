import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { cut } from '../text.js';

/**
 * Normalises a status of a server, another interceptor or another client. The code becomes an integer from 0 to 16 (UNKNOWN for
 * any other, as the gRPC specification treats unknown codes), the details become well-formed text, the metadata become a
 * Metadata. A status that is normal is returned unchanged.
 *
 * Every status passes through here once, where it enters the package; later code does not check it again. Never throws.
 */
export function normalStatus(received: unknown): StatusObject {
  if (typeof received !== 'object' || received === null) return unknownStatus();
  try {
    return isNormal(received) ? received : normalized(received);
  } catch {
    return unknownStatus(); // a getter or a toString that throws: the object carries no status
  }
}

/**
 * The status as the caller gets it: with a code of gRPC. Any other code becomes UNKNOWN, and the details then name the
 * original code. All other fields stay unchanged, as grpc-js itself passes them on. A status that is no object becomes UNKNOWN
 * without details. Never throws.
 */
export function withCodeOfGrpc(received: unknown): StatusObject {
  if (typeof received !== 'object' || received === null) return unknownStatus();
  try {
    const { code }: Partial<StatusObject> = received;
    return isCode(code) ? (received as StatusObject) : withUnknownCode(received);
  } catch {
    return unknownStatus();
  }
}

function withUnknownCode(received: object): StatusObject {
  const { code, details }: Partial<Record<keyof StatusObject, unknown>> = received;
  const text = details === undefined || details === null ? '' : String(details);
  const came =
    code === undefined ? 'the status has no code' : `the status code was ${cut(String(code), 40, '…')}`;
  return {
    ...(received as StatusObject),
    code: status.UNKNOWN,
    details: (text === '' ? came : `${text} (${came})`).toWellFormed(),
  };
}

/**
 * Whether a value can be used as Metadata. The Metadata of another copy of grpc-js can, though their class differs; an object
 * with the same methods that throws when it is read cannot. Never throws.
 */
export function isMetadata(value: unknown): value is Metadata {
  try {
    if (value instanceof Metadata) return true;
    return (
      typeof value === 'object' &&
      value !== null &&
      USED.every((name) => isFunction(value, name)) &&
      isRead(value)
    );
  } catch {
    return false;
  }
}

/** The methods of a status's Metadata that this package, grpc-js and callers use. */
const USED = ['get', 'set', 'add', 'remove', 'clone', 'merge', 'getMap', 'toHttp2Headers'] as const;

function isFunction(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === 'function';
}

/** @throws whatever its methods throw */
function isRead(value: object): boolean {
  const { get, getMap }: Partial<Metadata> = value;
  return Array.isArray(get?.call(value, 'any')) && typeof getMap?.call(value) === 'object';
}

function isNormal(received: object): received is StatusObject {
  const { code, details, metadata }: Partial<Record<keyof StatusObject, unknown>> = received;
  return isCode(code) && typeof details === 'string' && details.isWellFormed() && isMetadata(metadata);
}

/** Further fields, which other interceptors add to a status, are kept. */
function normalized(received: object): StatusObject {
  const { code, details, metadata }: Partial<Record<keyof StatusObject, unknown>> = received;
  return {
    ...received,
    code: isCode(code) ? code : status.UNKNOWN,
    details: details === undefined || details === null ? '' : String(details).toWellFormed(),
    metadata: isMetadata(metadata) ? metadata : new Metadata(),
  };
}

function isCode(code: unknown): code is status {
  return typeof code === 'number' && Number.isInteger(code) && code >= status.OK && code <= HIGHEST_CODE;
}

const HIGHEST_CODE = status.UNAUTHENTICATED;

function unknownStatus(): StatusObject {
  return { code: status.UNKNOWN, details: '', metadata: new Metadata() };
}
