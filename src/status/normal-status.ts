import { Metadata, type StatusObject, status } from '@grpc/grpc-js';

/**
 * A status as the rest of the code may rely on it, whatever a server, another interceptor or another client gave: the code
 * is an integer from 0 to 16 (any other becomes UNKNOWN, as the gRPC specification treats unknown codes), the details are
 * well-formed text, the metadata is a Metadata. A status that is already so is given back as it is.
 *
 * Every status passes here once, where it comes in; no code behind that place checks again. Never throws.
 */
export function normalStatus(received: unknown): StatusObject {
  if (typeof received !== 'object' || received === null) return unknownStatus();
  try {
    return isNormal(received) ? received : normalized(received);
  } catch {
    return unknownStatus(); // a getter or a toString that throws: the object carries no status
  }
}

/** Whether a value can be used as Metadata: also that of another copy of grpc-js, which is an instance of another class. */
export function isMetadata(value: unknown): value is Metadata {
  if (value instanceof Metadata) return true;
  return typeof value === 'object' && value !== null && USED.every((name) => isFunction(value, name));
}

/** The methods of Metadata that this package, grpc-js and callers use of a status's. */
const USED = ['get', 'set', 'add', 'remove', 'clone', 'merge', 'getMap', 'toHttp2Headers'] as const;

function isFunction(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === 'function';
}

function isNormal(received: object): received is StatusObject {
  return (
    'code' in received &&
    isCode(received.code) &&
    'details' in received &&
    typeof received.details === 'string' &&
    received.details.isWellFormed() &&
    'metadata' in received &&
    isMetadata(received.metadata)
  );
}

/** What other interceptors put on a status beside its three fields stays on it. */
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
