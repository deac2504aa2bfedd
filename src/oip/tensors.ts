import { invalid } from '../errors.js';
import { CODECS } from './codecs.js';
import type { Datatype, Tensor, TensorOf } from './tensor-types.js';

/**
 * Makes a tensor.
 * @param shape the length of each dimension; `[]` is a scalar
 * @param values its elements, row-major. A typed array of the datatype's class is used as it is, without a copy.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an element that the datatype cannot hold, and where the number of elements does
 * not fit the shape
 */
export type MakeTensor<D extends Datatype, Value> = (
  shape: readonly number[],
  values: ArrayLike<Value>,
) => Tensor<D>;

/** BOOL, from booleans. */
export const bool: MakeTensor<'BOOL', boolean> = maker('bool', 'BOOL');
/** INT8, from integers. */
export const int8: MakeTensor<'INT8', number> = maker('int8', 'INT8');
/** INT16, from integers. */
export const int16: MakeTensor<'INT16', number> = maker('int16', 'INT16');
/** INT32, from integers. */
export const int32: MakeTensor<'INT32', number> = maker('int32', 'INT32');
/** INT64, from bigints and safe integers. */
export const int64: MakeTensor<'INT64', bigint | number> = maker('int64', 'INT64');
/** UINT8, from integers. */
export const uint8: MakeTensor<'UINT8', number> = maker('uint8', 'UINT8');
/** UINT16, from integers. */
export const uint16: MakeTensor<'UINT16', number> = maker('uint16', 'UINT16');
/** UINT32, from integers. */
export const uint32: MakeTensor<'UINT32', number> = maker('uint32', 'UINT32');
/** UINT64, from bigints and safe integers. */
export const uint64: MakeTensor<'UINT64', bigint | number> = maker('uint64', 'UINT64');
/** FP16: numbers are rounded to the nearest 16-bit float when the message is made. Always raw. */
export const float16: MakeTensor<'FP16', number> = maker('float16', 'FP16');
/** BF16: numbers are rounded to the nearest bfloat16 when the message is made. Always raw. */
export const bfloat16: MakeTensor<'BF16', number> = maker('bfloat16', 'BF16');
/** FP32, from numbers. */
export const float32: MakeTensor<'FP32', number> = maker('float32', 'FP32');
/** FP64, from numbers. */
export const float64: MakeTensor<'FP64', number> = maker('float64', 'FP64');
/** BYTES, from texts (as UTF-8) and bytes. */
export const bytes: MakeTensor<'BYTES', string | Uint8Array> = maker('bytes', 'BYTES');

function maker<D extends Datatype>(name: string, datatype: D) {
  return (shape: readonly number[], values: ArrayLike<unknown>): TensorOf<D> => {
    const count = countOf(name, shape);
    if (typeof values !== 'object' || values === null || typeof values.length !== 'number')
      throw invalid(`${name}(shape, values)`, 'an array of values', values);
    if (values.length !== count)
      throw invalid(
        `${name}(shape, values)`,
        `${count} values for the shape [${shape.join(', ')}]`,
        `${values.length} values`,
      );
    return { datatype, shape: [...shape], data: CODECS[datatype].make(values, name) };
  };
}

/** The number of elements of a shape. @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a value that is no shape */
export function countOf(where: string, shape: readonly (number | bigint)[]): number {
  if (!Array.isArray(shape)) throw invalid(`${where}: shape`, 'an array of lengths', shape);
  let count = 1;
  for (const [dimension, length] of shape.entries()) {
    const long = Number(length);
    if (!Number.isSafeInteger(long) || long < 0)
      throw invalid(`${where}: shape[${dimension}]`, 'a length of 0 or more', length);
    count *= long;
  }
  if (!Number.isSafeInteger(count)) throw invalid(`${where}: shape`, 'a countable number of elements', count);
  return count;
}
