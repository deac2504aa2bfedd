import { invalid } from '../errors.js';
import type {
  InferTensorContents,
  ModelInferRequest,
  ModelInferResponse,
} from '../gen/inference/grpc_service.js';
import { textsOf } from './byte-strings.js';
import { CODECS, isDatatype } from './codecs.js';
import type { Datatype, Tensor, TensorOf } from './tensor-types.js';
import { countOf } from './tensors.js';

/** A message that {@link tensor} reads: the outputs of a response, or the inputs of a request. */
export type InferMessage = ModelInferRequest | ModelInferResponse;

/**
 * Reads a tensor by its name, from `contents` or raw contents. Raw elements are a view of the message's bytes where they are aligned
 * for it, and a copy elsewhere.
 * @param datatype the datatype that the tensor must have; it gives the result its type. @default any datatype
 * @example const [setosa, versicolor, virginica] = tensor(response, 'y', 'FP32').data
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT where the message has no such tensor, the tensor has another datatype, or
 * its elements do not fit its shape
 */
export function tensor(message: InferMessage, name: string): Tensor;
export function tensor<D extends Datatype>(message: InferMessage, name: string, datatype: D): Tensor<D>;
export function tensor(message: InferMessage, name: string, datatype?: Datatype): TensorOf<Datatype> {
  const { kind, tensors, raw } = partsOf(message);
  const index = tensors.findIndex((each) => each.name === name);
  const found = tensors[index];
  if (found === undefined) {
    const names = tensors.map((each) => JSON.stringify(each.name)).join(', ');
    throw invalid('tensor(message, name)', `an ${kind} among ${names || 'none'}`, name);
  }
  const where = `${kind} "${name}"`;
  if (!isDatatype(found.datatype)) throw invalid(where, 'a known datatype', found.datatype);
  if (datatype !== undefined && found.datatype !== datatype) throw invalid(where, datatype, found.datatype);
  return elementsOf(where, found.datatype, found, raw.length > 0 ? (raw[index] ?? 'missing') : undefined);
}

/**
 * Reads a tensor of BYTES as texts of UTF-8.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT as {@link tensor}
 */
export function texts(message: InferMessage, name: string): string[] {
  return textsOf(tensor(message, name, 'BYTES').data);
}

interface TensorMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly bigint[];
  readonly contents: InferTensorContents | undefined;
}

interface Parts {
  readonly kind: 'input' | 'output';
  readonly tensors: readonly TensorMessage[];
  readonly raw: readonly Uint8Array[];
}

function partsOf(message: InferMessage): Parts {
  if (typeof message === 'object' && message !== null) {
    if ('rawOutputContents' in message)
      return { kind: 'output', tensors: message.outputs, raw: message.rawOutputContents };
    if ('rawInputContents' in message)
      return { kind: 'input', tensors: message.inputs, raw: message.rawInputContents };
  }
  throw invalid('tensor(message)', 'a ModelInferRequest or ModelInferResponse', message);
}

function elementsOf<D extends Datatype>(
  where: string,
  datatype: D,
  message: TensorMessage,
  raw: Uint8Array | 'missing' | undefined,
): TensorOf<D> {
  const count = countOf(where, message.shape);
  const shape = message.shape.map(Number);
  if (raw === 'missing') throw invalid(where, 'an entry in the raw contents', 'fewer entries than tensors');
  const codec = CODECS[datatype];
  const values = raw === undefined ? listOf(where, datatype, message.contents) : codec.fromRaw(raw, where);
  if (values.length !== count)
    throw invalid(
      where,
      `${count} elements for the shape [${shape.join(', ')}]`,
      `${values.length} elements`,
    );
  return { datatype, shape, data: codec.make(values, where) };
}

function listOf(
  where: string,
  datatype: Datatype,
  contents: InferTensorContents | undefined,
): ArrayLike<unknown> {
  const { field } = CODECS[datatype];
  if (field === undefined) throw invalid(where, `raw contents for ${datatype}`, 'none');
  return contents?.[field] ?? [];
}
