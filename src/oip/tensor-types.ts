import type { InferTensorContents } from '../gen/inference/grpc_service.js';

/** The elements of a tensor in JavaScript, row-major, by its datatype. */
export interface TensorData {
  BOOL: boolean[];
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  /** As 32-bit floats; rounded to the nearest 16-bit float when written. */
  FP16: Float32Array;
  /** As 32-bit floats; rounded to the nearest bfloat16 when written. */
  BF16: Float32Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: Uint8Array[];
}

/** A datatype of the Open Inference Protocol. */
export type Datatype = keyof TensorData;

/** Elements of one datatype, with their shape. */
export interface TensorOf<D extends Datatype> {
  readonly datatype: D;
  /** The length of each dimension, the outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
  readonly data: TensorData[D];
}

/** Elements with their datatype and shape: a check of `datatype` narrows the type of `data`. */
export type Tensor<D extends Datatype = Datatype> = { [K in D]: TensorOf<K> }[D];

/** The lists of {@link InferTensorContents}. */
export type ContentsField = keyof InferTensorContents;
