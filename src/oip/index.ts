export {
  type InferRequestOptions,
  type InferResponseOptions,
  inferRequest,
  inferResponse,
  type Parameters,
  type Tensors,
} from './messages.js';
export { type InferMessage, tensor, texts } from './read.js';
export type { Datatype, Tensor, TensorData } from './tensor-types.js';
export {
  bfloat16,
  bool,
  bytes,
  float16,
  float32,
  float64,
  int8,
  int16,
  int32,
  int64,
  type MakeTensor,
  uint8,
  uint16,
  uint32,
  uint64,
} from './tensors.js';
