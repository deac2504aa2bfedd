import type { Method } from '../strategy.js';

/**
 * Copies a message and sorts the entries of its maps, so that equal messages have equal bytes. Encoders sort fields by number,
 * but not map entries. The keys of all objects are sorted, because a decoded map can be a plain object; for messages the order
 * of keys does not matter.
 */
export function sortMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return isPlainList(value) ? value : value.map(sortMaps);
  if (value instanceof Map) return sortMap(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value; // a Long or a Date is a single value
  const sorted: Record<string, unknown> = Object.create(prototype);
  for (const [key, each] of Object.entries(value).sort(byKey)) {
    // `__proto__` can be a normal key in a caller's map.
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
 * Whether a decoded message has an integer that may have been rounded to fit a number, as with `longs: Number` of proto-loader:
 * then two different requests may look the same. A large float counts too.
 */
export function mayBeRounded(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value)) return value.some(mayBeRounded);
  if (value instanceof Map) return [...value.values()].some(mayBeRounded);
  return Object.values(value).some(mayBeRounded);
}

/** Whether the method's decoder has rounded integers of a request, so that other requests may look the same. */
export function isRounded(method: Method<unknown, unknown>, request: unknown, bytes: Buffer): boolean {
  return mayBeRounded(request) && !method.requestSerialize(request).equals(bytes);
}

function sortMap(map: Map<unknown, unknown>): Map<unknown, unknown> {
  const entries = [...map].map(([key, value]): [unknown, unknown] => [key, sortMaps(value)]);
  return new Map(entries.sort(byKey));
}

/** Sorts map keys as text. Any order serves, if it is always the same; the keys of a map all have the same type. */
function byKey([a]: readonly [unknown, unknown], [b]: readonly [unknown, unknown]): number {
  const left = String(a);
  const right = String(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Whether a list has only primitive values, like a tensor. The elements of google.protobuf.ListValue differ in type. */
function isPlainList(list: readonly unknown[]): boolean {
  return list.every((each) => typeof each !== 'object' || each === null || ArrayBuffer.isView(each));
}
