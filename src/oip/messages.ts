import { checkKeys } from '../checks.js';
import { invalid } from '../errors.js';
import {
  InferParameter,
  InferTensorContents,
  type ModelInferRequest,
  type ModelInferResponse,
} from '../gen/inference/grpc_service.js';
import { CODECS, isDatatype } from './codecs.js';
import type { Datatype, Tensor } from './tensor-types.js';

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>;
/** Parameters of a request or response. A number is sent as a double, a bigint as an int64. */
export type Parameters = Readonly<Record<string, boolean | bigint | number | string>>;

/** Options of {@link inferRequest}. */
export interface InferRequestOptions {
  /** The model's version. @default '', for which the server chooses */
  readonly version?: string;
  /** The id, which the response repeats. For `lastGood`, requests with different ids are different requests. @default "" */
  readonly id?: string;
  /** The names of the outputs that the server returns. @default all */
  readonly outputs?: readonly string[];
  /** The parameters of the request. @default none */
  readonly parameters?: Parameters;
  /**
   * Where the elements stand: `true`: in `raw_input_contents`, which needs no conversion; `false`: in `contents`, which every server
   * reads, but which FP16 and BF16 do not have. @default true
   */
  readonly raw?: boolean;
}

/**
 * Makes a ModelInferRequest.
 * @example inferRequest('iris', { x: float32([1, 4], [5.1, 3.5, 1.4, 0.2]) })
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function inferRequest(
  model: string,
  inputs: Tensors,
  options: InferRequestOptions = {},
): ModelInferRequest {
  if (typeof model !== 'string') throw invalid('inferRequest(model)', "a model's name", model);
  checkKeys('inferRequest(options)', options, ['version', 'id', 'outputs', 'parameters', 'raw']);
  const { version = '', id = '', outputs = [], parameters = {}, raw = true } = options;
  return {
    modelName: model,
    modelVersion: version,
    id,
    parameters: parametersOf(parameters),
    inputs: tensorsOf('input', inputs, raw),
    outputs: outputs.map((name) => ({ name, parameters: new Map() })),
    rawInputContents: raw ? rawOf(inputs) : [],
  };
}

/** Options of {@link inferResponse}. */
export interface InferResponseOptions {
  /** The model's version. @default that of the request */
  readonly version?: string;
  /** The parameters of the response. @default none */
  readonly parameters?: Parameters;
  /** As in {@link InferRequestOptions.raw}. @default as the request is */
  readonly raw?: boolean;
}

/**
 * Makes a ModelInferResponse: for `defaultPrediction`, for tests, for the mock server.
 * @param request the request that is answered: the model's name and the id are taken from it
 * @example defaultPrediction((request) => inferResponse(request, { y: float32([1, 3], [0, 0, 1]) }))
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function inferResponse(
  request: ModelInferRequest,
  outputs: Tensors,
  options: InferResponseOptions = {},
): ModelInferResponse {
  checkKeys('inferResponse(options)', options, ['version', 'parameters', 'raw']);
  const raw = options.raw ?? request.rawInputContents.length > 0;
  return {
    modelName: request.modelName,
    modelVersion: options.version ?? request.modelVersion,
    id: request.id,
    parameters: parametersOf(options.parameters ?? {}),
    outputs: tensorsOf('output', outputs, raw),
    rawOutputContents: raw ? rawOf(outputs) : [],
  };
}

function tensorsOf(kind: string, tensors: Tensors, raw: boolean) {
  if (typeof tensors !== 'object' || tensors === null || Array.isArray(tensors))
    throw invalid(`${kind}s`, 'an object of tensors by name', tensors);
  return Object.entries(tensors).map(([name, tensor]) => {
    if (typeof tensor !== 'object' || tensor === null || !isDatatype(tensor.datatype))
      throw invalid(`${kind} "${name}"`, 'a tensor, such as float32(shape, values)', tensor);
    return {
      name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(BigInt),
      parameters: new Map(),
      contents: raw ? undefined : contentsOf(`${kind} "${name}"`, tensor),
    };
  });
}

function rawOf(tensors: Tensors): Uint8Array[] {
  return Object.values(tensors).map(rawBytes);
}

function rawBytes<D extends Datatype>(tensor: Tensor<D>): Uint8Array {
  return CODECS[tensor.datatype].toRaw(tensor.data);
}

function contentsOf(where: string, tensor: Tensor): InferTensorContents {
  const { field } = CODECS[tensor.datatype];
  if (field === undefined) throw invalid(where, `raw contents for ${tensor.datatype}`, 'raw: false');
  return Object.assign(InferTensorContents.create(), { [field]: Array.from<unknown>(tensor.data) });
}

function parametersOf(parameters: Parameters): Map<string, InferParameter> {
  return new Map(Object.entries(parameters).map(([name, value]) => [name, parameter(name, value)]));
}

function parameter(name: string, value: unknown): InferParameter {
  switch (typeof value) {
    case 'boolean':
      return InferParameter.fromPartial({ boolParam: value });
    case 'bigint':
      return InferParameter.fromPartial({ int64Param: value });
    case 'number':
      return InferParameter.fromPartial({ doubleParam: value });
    case 'string':
      return InferParameter.fromPartial({ stringParam: value });
    default:
      throw invalid(`parameter "${name}"`, 'a boolean, bigint, number or string', value);
  }
}
