import {
  InferTensorContents,
  type ModelInferRequest,
  ModelInferResponse,
} from '../../gen/inference/grpc_service.js';
import {
  FEATURES_TENSOR,
  LEVEL_TENSOR,
  MAX_BATCH,
  MODEL_VERSION,
  PROBABILITIES_TENSOR,
} from '../demand/models.js';
import { argmax } from '../demand/network.js';
import { RequestError } from './request-error.js';

type InputTensor = ModelInferRequest['inputs'][number];

/** The rows of features of a request, from typed or raw contents. @throws RequestError with the expected shape */
export function readRows(request: ModelInferRequest): number[][] {
  const input = onlyInput(request);
  const rows = batchSize(input);
  const values = readValues(request, input, rows * FEATURES_TENSOR.width);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw badInput(`finite values in "${input.name}"`, `${values[bad]} at index ${bad}`);
  checkRequestedOutputs(request);
  return Array.from({ length: rows }, (_, row) => {
    return values.slice(row * FEATURES_TENSOR.width, (row + 1) * FEATURES_TENSOR.width);
  });
}

/** Makes the response for predicted probabilities, with raw contents where the request had raw contents. */
export function writeResponse(
  request: ModelInferRequest,
  probabilities: readonly number[][],
): ModelInferResponse {
  const raw = request.rawInputContents.length > 0;
  const wanted = new Set(request.outputs.map((output) => output.name));
  const outputs = [levelOutput(probabilities.map(argmax)), probabilitiesOutput(probabilities)].filter(
    ({ name }) => wanted.size === 0 || wanted.has(name),
  );
  return ModelInferResponse.fromPartial({
    modelName: request.modelName,
    modelVersion: MODEL_VERSION,
    id: request.id,
    outputs: outputs.map(({ name, datatype, shape, contents }) => {
      return raw ? { name, datatype, shape } : { name, datatype, shape, contents: contents() };
    }),
    rawOutputContents: raw ? outputs.map((output) => output.raw()) : [],
  });
}

function onlyInput(request: ModelInferRequest): InputTensor {
  const [input] = request.inputs;
  if (!input || request.inputs.length > 1)
    throw badInput(`one input tensor, "${FEATURES_TENSOR.name}"`, `${request.inputs.length}`);
  if (input.name !== FEATURES_TENSOR.name)
    throw badInput(`an input tensor "${FEATURES_TENSOR.name}"`, JSON.stringify(input.name.slice(0, 80)));
  if (input.datatype !== FEATURES_TENSOR.datatype)
    throw badInput(
      `datatype ${FEATURES_TENSOR.datatype} of "${input.name}"`,
      JSON.stringify(input.datatype.slice(0, 80)),
    );
  return input;
}

function batchSize(input: InputTensor): number {
  const [rows = 0n, width] = input.shape;
  if (input.shape.length !== 2 || width !== BigInt(FEATURES_TENSOR.width) || rows < 1n || rows > MAX_BATCH)
    throw badInput(
      `shape [1 to ${MAX_BATCH}, ${FEATURES_TENSOR.width}] of "${input.name}"`,
      `[${input.shape.slice(0, 8).join(', ')}]`,
    );
  return Number(rows);
}

function readValues(request: ModelInferRequest, input: InputTensor, count: number): number[] {
  const [raw] = request.rawInputContents;
  if (!raw) return readTyped(input, count);
  if (request.rawInputContents.length !== 1)
    throw badInput('one entry of raw_input_contents per input', `${request.rawInputContents.length} for 1`);
  if (input.contents) throw badInput('either contents or raw_input_contents', `both for "${input.name}"`);
  if (raw.byteLength !== count * 4)
    throw badInput(`${count * 4} bytes for "${input.name}"`, `${raw.byteLength}`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: count }, (_, index) => view.getFloat32(index * 4, true));
}

function readTyped(input: InputTensor, count: number): number[] {
  const contents = input.contents ?? InferTensorContents.create();
  const other = Object.entries(contents).find(([field, values]) => {
    return field !== 'fp32Contents' && Array.isArray(values) && values.length > 0;
  });
  if (other) throw badInput(`fp32_contents for "${input.name}"`, other[0]);
  if (contents.fp32Contents.length !== count)
    throw badInput(`${count} values in fp32_contents of "${input.name}"`, `${contents.fp32Contents.length}`);
  return contents.fp32Contents;
}

function checkRequestedOutputs(request: ModelInferRequest): void {
  const known: readonly string[] = [LEVEL_TENSOR.name, PROBABILITIES_TENSOR.name];
  const unknown = request.outputs.find((output) => !known.includes(output.name));
  if (unknown) throw badInput(`outputs among ${known.join(', ')}`, JSON.stringify(unknown.name.slice(0, 80)));
}

function levelOutput(levels: readonly number[]) {
  const values = levels.map(BigInt);
  return {
    ...LEVEL_TENSOR,
    shape: [BigInt(levels.length)],
    contents: () => ({ int64Contents: values }),
    raw: () => littleEndian(values, 8, (view, offset, value) => view.setBigInt64(offset, value, true)),
  };
}

function probabilitiesOutput(probabilities: readonly number[][]) {
  const { name, datatype, width } = PROBABILITIES_TENSOR;
  const values = probabilities.flat();
  return {
    name,
    datatype,
    shape: [BigInt(probabilities.length), BigInt(width)],
    contents: () => ({ fp32Contents: values }),
    raw: () => littleEndian(values, 4, (view, offset, value) => view.setFloat32(offset, value, true)),
  };
}

function littleEndian<T>(
  values: readonly T[],
  size: number,
  write: (view: DataView, offset: number, value: T) => void,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * size));
  values.forEach((value, index) => {
    write(view, index * size, value);
  });
  return new Uint8Array(view.buffer);
}

function badInput(expected: string, got: string): RequestError {
  return new RequestError(`expected ${expected}, got ${got}`);
}
