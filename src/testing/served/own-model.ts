import { checkFunction, checkInteger, checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadataResponse_TensorMetadata,
} from '../../gen/inference/grpc_service.js';
import { MODEL_VERSION } from '../demand/models.js';
import { RequestError } from '../server/request-error.js';
import { isStreamed, type ModelAnswer, type ModelContext, type ServedModel } from './served-model.js';

/**
 * Answers requests for a model of yours. An async generator streams its responses, which clients read by ModelStreamInfer. A
 * thrown error with a gRPC status `code` ends the call with that code; any other error ends it with INTERNAL, as for a model
 * that raised.
 */
export type ModelFunction = (
  request: ModelInferRequest,
  context: ModelContext,
) => ModelAnswer | Promise<ModelAnswer>;

/** The datatype and shape that a tensor must have. */
export interface TensorSpec {
  /** `FP32`, `INT64`, `BYTES`, ... */
  readonly datatype: string;
  /** The length of each dimension; -1 stands for any length. */
  readonly shape: readonly number[];
}

/** A model of yours with its metadata. */
export interface OwnModel {
  /** Answers its requests. */
  readonly infer: ModelFunction;
  /** The inputs that each request must have. @default inputs are not checked */
  readonly inputs?: Readonly<Record<string, TensorSpec>>;
  /** The outputs that ModelMetadata and ModelConfig show. @default none */
  readonly outputs?: Readonly<Record<string, TensorSpec>>;
  /** The versions of the model. @default ["1"] */
  readonly versions?: readonly string[];
  /** The platform that ModelMetadata and ModelConfig show. @default "failsoft_mock" */
  readonly platform?: string;
  /** The largest batch that ModelConfig shows; 0: no batch dimension. @default 0 */
  readonly maxBatchSize?: number;
}

const ASYNC_GENERATOR = Object.getPrototypeOf(async function* () {});
const KEYS = ['infer', 'inputs', 'outputs', 'versions', 'platform', 'maxBatchSize'];

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function ownModel(name: string, given: ModelFunction | OwnModel, latencyMs: number): ServedModel {
  const field = `options.models.${name}`;
  const model: OwnModel = typeof given === 'function' ? { infer: given } : given;
  checkKeys(field, model, KEYS);
  const infer = checkFunction(`${field}.infer`, model.infer);
  const { versions = [MODEL_VERSION], platform = 'failsoft_mock' } = model;
  if (
    !Array.isArray(versions) ||
    versions.length === 0 ||
    !versions.every((each) => typeof each === 'string')
  )
    throw invalid(`${field}.versions`, 'an array of texts', versions);
  const inputs = specs(`${field}.inputs`, model.inputs);
  return {
    name,
    versions: [...versions],
    platform,
    inputs,
    outputs: specs(`${field}.outputs`, model.outputs),
    maxBatchSize: checkInteger(`${field}.maxBatchSize`, model.maxBatchSize ?? 0, 0, 2 ** 31 - 1),
    decoupled: Object.getPrototypeOf(infer) === ASYNC_GENERATOR,
    latencyMs,
    prepare: (request) => {
      if (model.inputs !== undefined) checkInputs(name, inputs, request);
      return async (context) => {
        const answer = await infer(request, context);
        const complete = (response: ModelInferResponse) => completed(response, request, versions[0] ?? '');
        return isStreamed(answer) ? each(answer, complete) : complete(answer);
      };
    },
  };
}

async function* each<T>(answers: AsyncIterable<T>, change: (answer: T) => T): AsyncIterable<T> {
  for await (const answer of answers) yield change(answer);
}

/** Fills in the names and the id that a model left out, from the request. */
function completed(response: ModelInferResponse, request: ModelInferRequest, version: string) {
  if (typeof response !== 'object' || response === null || !Array.isArray(response.outputs))
    throw invalid(`the answer of model "${request.modelName}"`, 'a ModelInferResponse', response);
  return {
    ...response,
    modelName: response.modelName || request.modelName,
    modelVersion: response.modelVersion || request.modelVersion || version,
    id: response.id || request.id,
  };
}

function specs(
  field: string,
  given: Readonly<Record<string, TensorSpec>> = {},
): ModelMetadataResponse_TensorMetadata[] {
  return Object.entries(given).map(([name, spec]) => {
    checkKeys(`${field}.${name}`, spec, ['datatype', 'shape']);
    const { datatype, shape } = spec;
    if (typeof datatype !== 'string') throw invalid(`${field}.${name}.datatype`, 'a datatype', datatype);
    if (!Array.isArray(shape)) throw invalid(`${field}.${name}.shape`, 'an array of lengths', shape);
    return {
      name,
      datatype,
      shape: shape.map((length, index) =>
        BigInt(checkInteger(`${field}.${name}.shape[${index}]`, length, -1)),
      ),
    };
  });
}

/** Checks inputs as Triton does. @throws RequestError */
function checkInputs(
  model: string,
  wanted: readonly ModelMetadataResponse_TensorMetadata[],
  { inputs }: ModelInferRequest,
): void {
  const names = wanted.map(({ name }) => name);
  const unexpected = inputs.find(({ name }) => !names.includes(name));
  if (unexpected !== undefined)
    throw new RequestError(
      `unexpected inference input '${unexpected.name.slice(0, 80)}' for model '${model}'`,
    );
  if (inputs.length !== wanted.length)
    throw new RequestError(
      `expected ${wanted.length} inputs but got ${inputs.length} inputs for model '${model}'`,
    );
  for (const { name, datatype, shape } of wanted) {
    const got = inputs.find((input) => input.name === name);
    if (got === undefined) throw new RequestError(`input '${name}' is missing for model '${model}'`);
    if (got.datatype !== datatype)
      throw new RequestError(
        `inference input '${name}' data-type is '${got.datatype.slice(0, 20)}', but model '${model}' expects '${datatype}'`,
      );
    const fits =
      got.shape.length === shape.length &&
      shape.every((length, index) => length === -1n || length === got.shape[index]);
    if (!fits)
      throw new RequestError(
        `unexpected shape for input '${name}' for model '${model}'. Expected [${shape.join(',')}], got [${got.shape.slice(0, 8).join(',')}]`,
      );
  }
}
