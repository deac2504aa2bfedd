/** Deeper than any decoded message. */
const DEEPEST = 32;

/**
 * Whether a decoded message is certainly longer than `limit` bytes once encoded, found out without encoding it, and without
 * a look at each number of a tensor. True is right; false may be wrong.
 */
export function isCertainlyLonger(message: unknown, limit: number): boolean {
  return leastBytes(message, limit, 0) > limit;
}

/** A lower bound of the encoded length; counting ends above `limit`. A scalar may take no byte, as a default value. */
function leastBytes(value: unknown, limit: number, depth: number): number {
  if (typeof value === 'string') return bytesOfText(value);
  if (typeof value !== 'object' || value === null || depth === DEEPEST) return 0;
  if (Array.isArray(value)) return bytesOfList(value, limit, depth);
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof Map) return value.size === 0 ? 0 : bytesOfAll(value.values(), limit, depth);
  return isPlain(value) ? bytesOfFields(value, limit, depth) : 0;
}

/** An instance of a class may hold the same bytes twice, or others that are not encoded. */
function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function bytesOfFields(message: Readonly<Record<string, unknown>>, limit: number, depth: number): number {
  let bytes = 0;
  for (const name in message) {
    bytes += leastBytes(message[name], limit, depth + 1);
    if (bytes > limit) break;
  }
  return bytes;
}

/** proto-loader may give enums and long integers as short texts, and bytes as base64: three bytes for four characters. */
function bytesOfText({ length }: string): number {
  return length > 256 ? Math.floor(length * 0.75) - 2 : 0;
}

/** Each element of a list takes at least a byte. All elements have the same type; a fraction takes four or eight bytes. */
function bytesOfList(list: readonly unknown[], limit: number, depth: number): number {
  const first = list[0];
  if (first === undefined) return 0;
  if (typeof first === 'number')
    return list.slice(0, 16).every(Number.isInteger) ? list.length : 4 * list.length;
  if (typeof first !== 'object' && typeof first !== 'string') return list.length;
  return list.length + (list.length > limit ? 0 : bytesOfAll(list, limit, depth));
}

function bytesOfAll(values: Iterable<unknown>, limit: number, depth: number): number {
  let bytes = 0;
  for (const value of values) {
    bytes += leastBytes(value, limit, depth + 1);
    if (bytes > limit) break;
  }
  return bytes;
}
