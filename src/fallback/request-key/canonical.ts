import type { Method } from '../strategy.js';

/**
 * The same message with the entries of its maps in one order, so that it encodes to the same bytes whatever the order
 * in which they were put in. Encoders write fields by number, but map entries as they come. Objects get their keys
 * sorted too, because in decoded messages a map can be an object like any other; for messages that changes nothing.
 */
export function sortMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return isPlainList(value) ? value : value.map(sortMaps);
  if (value instanceof Map) return sortMap(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value; // a Long, a Date: one value, not a structure
  const sorted: Record<string, unknown> = Object.create(prototype);
  for (const [key, each] of Object.entries(value).sort(byKey)) {
    // `__proto__` is a key like any other in a caller's map.
    Object.defineProperty(sorted, key, {
      value: sortMaps(each),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return sorted;
}

/**
 * Whether a decoded message has an integer that may have been rounded to fit a number, as `longs: Number` of proto-loader
 * does: then two requests may look the same. A large float looks so, too.
 */
export function mayBeRounded(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value)) return value.some(mayBeRounded);
  if (value instanceof Map) return [...value.values()].some(mayBeRounded);
  return Object.values(value).some(mayBeRounded);
}

/** Whether a request has lost integers on its way through the method's decoder, so that others may look like it. */
export function isRounded(method: Method<unknown, unknown>, request: unknown, bytes: Buffer): boolean {
  return mayBeRounded(request) && !method.requestSerialize(request).equals(bytes);
}

function sortMap(map: Map<unknown, unknown>): Map<unknown, unknown> {
  const entries = [...map].map(([key, value]): [unknown, unknown] => [key, sortMaps(value)]);
  return new Map(entries.sort(byKey));
}

/** Keys of one map are of one type; as text they are in one order, whichever it is. */
function byKey([a]: readonly [unknown, unknown], [b]: readonly [unknown, unknown]): number {
  const left = String(a);
  const right = String(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** As the long lists of numbers are that tensors come in. Not all are of one type: google.protobuf.ListValue is not. */
function isPlainList(list: readonly unknown[]): boolean {
  return list.every((each) => typeof each !== 'object' || each === null || ArrayBuffer.isView(each));
}
