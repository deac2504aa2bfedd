import { invalid } from '../errors.js';
import { joinBytes, splitBytes } from './byte-strings.js';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.js';
import type { ContentsField, Datatype, TensorData } from './tensor-types.js';

/** Encodes and decodes the elements of a datatype. `where` names the tensor in errors. */
export interface Codec<Data> {
  /** The list of InferTensorContents for the datatype; undefined for 16-bit floats, which are always raw. */
  readonly field: ContentsField | undefined;
  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an element that the datatype cannot hold */
  make(values: ArrayLike<unknown>, where: string): Data;
  toRaw(data: Data): Uint8Array;
  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for bytes that are no elements of the datatype */
  fromRaw(bytes: Uint8Array, where: string): Data;
}

/** A class of typed arrays. */
interface TypedArrayClass<Data, Value> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): Data;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Data;
  from(values: ArrayLike<Value>): Data;
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function typed<Data extends ArrayBufferView, Value>(
  field: ContentsField,
  Type: TypedArrayClass<Data, Value>,
  check: (value: unknown, where: string) => Value,
): Codec<Data> {
  const size = Type.BYTES_PER_ELEMENT;
  return {
    field,
    // An array of the right class is used as it is: the datatype has all values that it can hold.
    make: (values, where) =>
      values instanceof Type
        ? values
        : Type.from(Array.from(values, (value, index) => check(value, `${where}[${index}]`))),
    toRaw: (data) => ordered(bytesOf(data), size),
    fromRaw: (bytes, where) => {
      const count = elements(bytes, size, where);
      // A view where the bytes are aligned for it, else a copy.
      const inOrder = ordered(bytes, size);
      const aligned = inOrder.byteOffset % size === 0 ? inOrder : new Uint8Array(inOrder);
      return new Type(aligned.buffer, aligned.byteOffset, count);
    },
  };
}

function half(to: (value: number) => number, from: (bits: number) => number): Codec<Float32Array> {
  return {
    field: undefined,
    make: (values, where) =>
      values instanceof Float32Array
        ? values
        : Float32Array.from(Array.from(values, (value, index) => number(value, `${where}[${index}]`))),
    toRaw: (data) => ordered(bytesOf(Uint16Array.from(data, to)), 2),
    fromRaw: (bytes, where) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const data = new Float32Array(elements(bytes, 2, where));
      for (let index = 0; index < data.length; index++) data[index] = from(view.getUint16(index * 2, true));
      return data;
    },
  };
}

const bool: Codec<boolean[]> = {
  field: 'boolContents',
  make: (values, where) =>
    Array.from(values, (value, index) => {
      if (typeof value !== 'boolean') throw invalid(`${where}[${index}]`, 'a boolean', value);
      return value;
    }),
  toRaw: (data) => Uint8Array.from(data, Number),
  fromRaw: (bytes) => Array.from(bytes, (byte) => byte !== 0),
};

const encoder = new TextEncoder();
const byteStrings: Codec<Uint8Array[]> = {
  field: 'bytesContents',
  make: (values, where) =>
    Array.from(values, (value, index) => {
      if (typeof value === 'string') return encoder.encode(value);
      if (value instanceof Uint8Array) return value;
      throw invalid(`${where}[${index}]`, 'a string or a Uint8Array', value);
    }),
  toRaw: joinBytes,
  fromRaw: splitBytes,
};

function number(value: unknown, where: string): number {
  if (typeof value !== 'number') throw invalid(where, 'a number', value);
  return value;
}

const integer = (min: number, max: number) => (value: unknown, where: string) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw invalid(where, `an integer from ${min} to ${max}`, value);
  return value;
};

const bigInteger = (min: bigint, max: bigint) => (value: unknown, where: string) => {
  const big = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof big !== 'bigint' || big < min || big > max)
    throw invalid(where, `a bigint from ${min} to ${max}, or a safe integer`, value);
  return big;
};

/** The codec of each datatype. */
export const CODECS: { readonly [D in Datatype]: Codec<TensorData[D]> } = {
  BOOL: bool,
  INT8: typed('intContents', Int8Array, integer(-128, 127)),
  INT16: typed('intContents', Int16Array, integer(-(2 ** 15), 2 ** 15 - 1)),
  INT32: typed('intContents', Int32Array, integer(-(2 ** 31), 2 ** 31 - 1)),
  INT64: typed('int64Contents', BigInt64Array, bigInteger(-(2n ** 63n), 2n ** 63n - 1n)),
  UINT8: typed('uintContents', Uint8Array, integer(0, 255)),
  UINT16: typed('uintContents', Uint16Array, integer(0, 2 ** 16 - 1)),
  UINT32: typed('uintContents', Uint32Array, integer(0, 2 ** 32 - 1)),
  UINT64: typed('uint64Contents', BigUint64Array, bigInteger(0n, 2n ** 64n - 1n)),
  FP16: half(toFloat16, fromFloat16),
  BF16: half(toBfloat16, fromBfloat16),
  FP32: typed('fp32Contents', Float32Array, number),
  FP64: typed('fp64Contents', Float64Array, number),
  BYTES: byteStrings,
};

export function isDatatype(text: string): text is Datatype {
  return Object.hasOwn(CODECS, text);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The protocol is little-endian; on other machines the bytes of each element are turned round, in a copy. */
function ordered(bytes: Uint8Array, size: number): Uint8Array {
  if (LITTLE_ENDIAN || size === 1) return bytes;
  const turned = Buffer.from(bytes);
  if (size === 2) turned.swap16();
  else if (size === 4) turned.swap32();
  else turned.swap64();
  return turned;
}

function elements(bytes: Uint8Array, size: number, where: string): number {
  if (bytes.byteLength % size !== 0)
    throw invalid(where, `elements of ${size} bytes`, `${bytes.byteLength} bytes`);
  return bytes.byteLength / size;
}
