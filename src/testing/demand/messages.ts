import { invalid } from '../../errors.js';
import {
  InferTensorContents,
  ModelInferRequest,
  ModelInferResponse,
} from '../../gen/inference/grpc_service.js';
import { DEMAND_LEVELS, MAJORITY_LEVEL } from './inputs.js';
import { FEATURES_TENSOR, LEVEL_TENSOR } from './models.js';

/** A request for the demand level of an input. */
export function demandRequest(model: string, features: readonly number[], id = ''): ModelInferRequest {
  const { name, datatype } = FEATURES_TENSOR;
  const contents = InferTensorContents.fromPartial({ fp32Contents: [...features] });
  const shape = [1n, BigInt(features.length)];
  return ModelInferRequest.fromPartial({
    modelName: model,
    id,
    inputs: [{ name, datatype, shape, contents }],
  });
}

/**
 * Reads the level from a response to one input, with typed or raw contents: an index into `DEMAND_LEVELS`.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a response without a level
 */
export function demandLevel(response: ModelInferResponse): number {
  const index = response.outputs.findIndex((output) => output.name === LEVEL_TENSOR.name);
  const raw = index < 0 ? undefined : response.rawOutputContents[index];
  const level = raw
    ? raw.byteLength === 8 && new DataView(raw.buffer, raw.byteOffset).getBigInt64(0, true)
    : response.outputs[index]?.contents?.int64Contents[0];
  if (typeof level !== 'bigint' || level < 0n || level >= BigInt(DEMAND_LEVELS.length))
    throw invalid('response', `an output "${LEVEL_TENSOR.name}" with a level`, level);
  return Number(level);
}

/** A default answer for a request with one input: the most common level. */
export function majorityAnswer(request: ModelInferRequest): ModelInferResponse {
  const { name, datatype } = LEVEL_TENSOR;
  const contents = InferTensorContents.fromPartial({ int64Contents: [BigInt(MAJORITY_LEVEL)] });
  return ModelInferResponse.fromPartial({
    modelName: request.modelName,
    id: request.id,
    outputs: [{ name, datatype, shape: [1n], contents }],
  });
}
