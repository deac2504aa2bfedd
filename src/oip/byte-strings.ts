import { invalid } from '../errors.js';

const decoder = new TextDecoder();
const PREFIX = 4;

/** Joins elements, each behind its length in bytes (32 bits, little-endian), as the protocol writes BYTES. */
export function joinBytes(elements: readonly Uint8Array[]): Uint8Array {
  const total = elements.reduce((sum, element) => sum + PREFIX + element.byteLength, 0);
  const joined = new Uint8Array(total);
  const view = new DataView(joined.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true);
    joined.set(element, offset + PREFIX);
    offset += PREFIX + element.byteLength;
  }
  return joined;
}

/**
 * Reads the elements, as views of the bytes.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT where the lengths do not fit the bytes
 */
export function splitBytes(bytes: Uint8Array, where: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.byteLength; ) {
    const left = bytes.byteLength - offset - PREFIX;
    const length = left < 0 ? 0 : view.getUint32(offset, true);
    if (left < length) {
      const got = left < 0 ? `${left + PREFIX} bytes` : `${left} bytes for an element of ${length}`;
      throw invalid(where, `a length of 4 bytes and its element at byte ${offset}`, got);
    }
    elements.push(bytes.subarray(offset + PREFIX, offset + PREFIX + length));
    offset += PREFIX + length;
  }
  return elements;
}

/** The elements as text. Bytes that are no UTF-8 become U+FFFD. */
export function textsOf(elements: readonly Uint8Array[]): string[] {
  return elements.map((element) => decoder.decode(element));
}
