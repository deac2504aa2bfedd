import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import * as oip from '../../src/gen/inference/grpc_service.js';

// The bytes are written by hand from the protocol's field numbers: tag = number * 8 + wire type.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const varint = (number: number, value: number) => Buffer.of((number << 3) | VARINT, value);
const bytes = (number: number, ...parts: (Uint8Array | string)[]) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.of((number << 3) | BYTES, body.length), body]);
};
const double = (number: number, value: number) => {
  const buffer = Buffer.alloc(9);
  buffer[0] = (number << 3) | FIXED64;
  buffer.writeDoubleLE(value, 1);
  return buffer;
};
const doubles = (...values: number[]) => Buffer.from(Float64Array.from(values).buffer);
const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
/** One entry of a map from string to message. */
const entry = (number: number, key: string, value: Uint8Array) =>
  bytes(number, bytes(1, key), bytes(2, value));
const join = (...parts: Uint8Array[]) => Buffer.concat(parts);

const parameters = new Map([['p', oip.InferParameter.fromPartial({ boolParam: true })]]);
const parameterEntry = (number: number) => entry(number, 'p', varint(1, 1));
const tensor = { name: 'n', datatype: 'FP32', shape: [-1n, 3n], parameters };
const contents = oip.InferTensorContents.fromPartial({ fp32Contents: [1.5] });
// -1 as an int64 takes ten bytes.
const minusOne = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
const shape = Buffer.of(...minusOne, 3);
const tensorBytes = join(
  bytes(1, 'n'),
  bytes(2, 'FP32'),
  bytes(3, shape),
  parameterEntry(4),
  bytes(5, bytes(6, floats(1.5))),
);

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(input: Uint8Array): T;
}
/** Erases a row's message type once it is checked. */
const row = <T>(what: string, codec: Codec<T>, message: T, want: Uint8Array) => ({
  what,
  encoded: () => Buffer.from(codec.encode(message).finish()).toString('hex'),
  // Not a Buffer: its slices would be Buffers too.
  decoded: () => codec.decode(Uint8Array.from(want)),
  message,
  want: Buffer.from(want).toString('hex'),
});

const metadataTensor = { name: 'n', datatype: 'FP32', shape: [-1n, 3n] };
const metadataBytes = join(bytes(1, 'n'), bytes(2, 'FP32'), bytes(3, shape));

const rows = [
  row('ServerLiveRequest', oip.ServerLiveRequest, {}, Buffer.of()),
  row('ServerLiveResponse', oip.ServerLiveResponse, { live: true }, varint(1, 1)),
  row('ServerReadyRequest', oip.ServerReadyRequest, {}, Buffer.of()),
  row('ServerReadyResponse', oip.ServerReadyResponse, { ready: true }, varint(1, 1)),
  row(
    'ModelReadyRequest',
    oip.ModelReadyRequest,
    { name: 'm', version: '2' },
    join(bytes(1, 'm'), bytes(2, '2')),
  ),
  row('ModelReadyResponse', oip.ModelReadyResponse, { ready: true }, varint(1, 1)),
  row('ServerMetadataRequest', oip.ServerMetadataRequest, {}, Buffer.of()),
  row(
    'ServerMetadataResponse',
    oip.ServerMetadataResponse,
    { name: 's', version: '1', extensions: ['a', 'b'] },
    join(bytes(1, 's'), bytes(2, '1'), bytes(3, 'a'), bytes(3, 'b')),
  ),
  row(
    'ModelMetadataRequest',
    oip.ModelMetadataRequest,
    { name: 'm', version: '2' },
    join(bytes(1, 'm'), bytes(2, '2')),
  ),
  row(
    'ModelMetadataResponse',
    oip.ModelMetadataResponse,
    {
      name: 'm',
      versions: ['1', '2'],
      platform: 'p',
      inputs: [metadataTensor],
      outputs: [metadataTensor],
      properties: new Map([['k', 'v']]),
    },
    join(
      bytes(1, 'm'),
      bytes(2, '1'),
      bytes(2, '2'),
      bytes(3, 'p'),
      bytes(4, metadataBytes),
      bytes(5, metadataBytes),
      bytes(6, bytes(1, 'k'), bytes(2, 'v')),
    ),
  ),
  row(
    'ModelInferRequest',
    oip.ModelInferRequest,
    {
      modelName: 'm',
      modelVersion: '2',
      id: 'i',
      parameters,
      inputs: [{ ...tensor, contents }],
      outputs: [{ name: 'o', parameters }],
      rawInputContents: [Uint8Array.of(7, 8)],
    },
    join(
      bytes(1, 'm'),
      bytes(2, '2'),
      bytes(3, 'i'),
      parameterEntry(4),
      bytes(5, tensorBytes),
      bytes(6, bytes(1, 'o'), parameterEntry(2)),
      bytes(7, Buffer.of(7, 8)),
    ),
  ),
  row(
    'ModelInferResponse',
    oip.ModelInferResponse,
    {
      modelName: 'm',
      modelVersion: '2',
      id: 'i',
      parameters,
      outputs: [{ ...tensor, contents }],
      rawOutputContents: [Uint8Array.of(7, 8)],
    },
    join(
      bytes(1, 'm'),
      bytes(2, '2'),
      bytes(3, 'i'),
      parameterEntry(4),
      bytes(5, tensorBytes),
      bytes(6, Buffer.of(7, 8)),
    ),
  ),
  row(
    'ModelStreamInferResponse',
    oip.ModelStreamInferResponse,
    { errorMessage: 'e', inferResponse: oip.ModelInferResponse.fromPartial({ id: 'i' }) },
    join(bytes(1, 'e'), bytes(2, bytes(3, 'i'))),
  ),
  row('InferParameter bool', oip.InferParameter, { boolParam: false }, varint(1, 0)),
  row('InferParameter int64', oip.InferParameter, { int64Param: 5n }, varint(2, 5)),
  row('InferParameter string', oip.InferParameter, { stringParam: 's' }, bytes(3, 's')),
  row('InferParameter double', oip.InferParameter, { doubleParam: 0.5 }, double(4, 0.5)),
  row('InferParameter uint64', oip.InferParameter, { uint64Param: 6n }, varint(5, 6)),
  row(
    'InferTensorContents',
    oip.InferTensorContents,
    {
      boolContents: [true, false],
      intContents: [1, 2],
      int64Contents: [-1n, 2n ** 63n - 1n],
      uintContents: [3],
      uint64Contents: [2n ** 64n - 1n],
      fp32Contents: [1.5, -2],
      fp64Contents: [0.1],
      bytesContents: [Uint8Array.of(1), Uint8Array.of()],
    },
    join(
      bytes(1, Buffer.of(1, 0)),
      bytes(2, Buffer.of(1, 2)),
      bytes(3, Buffer.of(...minusOne, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
      bytes(4, Buffer.of(3)),
      bytes(5, Buffer.of(...minusOne)),
      bytes(6, floats(1.5, -2)),
      bytes(7, doubles(0.1)),
      bytes(8, Buffer.of(1)),
      bytes(8, Buffer.of()),
    ),
  ),
  row(
    'google.rpc.Status',
    Status,
    { code: status.UNAVAILABLE, message: 'm', details: [{ typeUrl: 't', value: Uint8Array.of(1) }] },
    join(varint(1, 14), bytes(2, 'm'), bytes(3, bytes(1, 't'), bytes(2, Buffer.of(1)))),
  ),
  row(
    'google.rpc.RetryInfo',
    RetryInfo,
    { retryDelay: { seconds: 3n, nanos: 5 } },
    bytes(1, varint(1, 3), varint(2, 5)),
  ),
  row(
    'google.rpc.ErrorInfo',
    ErrorInfo,
    { reason: 'CIRCUIT_OPEN', domain: 'failsoft', metadata: new Map([['k', 'v']]) },
    join(bytes(1, 'CIRCUIT_OPEN'), bytes(2, 'failsoft'), bytes(3, bytes(1, 'k'), bytes(2, 'v'))),
  ),
];

describe('the bytes on the wire', () => {
  it.each(rows)('$what', ({ encoded, decoded, message, want }) => {
    expect(encoded()).toBe(want);
    expect(decoded()).toEqual(message);
  });

  it('names a parameter as a caller likes', () => {
    const odd = new Map([['__proto__', oip.InferParameter.fromPartial({ stringParam: 'x' })]]);
    const message = oip.ModelInferRequest.fromPartial({ parameters: odd });
    const copy = oip.ModelInferRequest.decode(oip.ModelInferRequest.encode(message).finish());
    expect(copy.parameters).toEqual(odd);
  });
});

it('the paths and kinds of the methods', () => {
  const methods = Object.values(oip.GRPCInferenceServiceService).map((method) => {
    return `${method.path} ${method.requestStream} ${method.responseStream}`;
  });
  const unary = ['ServerLive', 'ServerReady', 'ModelReady', 'ServerMetadata', 'ModelMetadata', 'ModelInfer'];
  const repository = ['RepositoryIndex', 'RepositoryModelLoad', 'RepositoryModelUnload'];
  const extensions = ['ModelConfig', 'ModelStatistics', ...repository];
  expect(methods).toEqual([
    ...unary.map((name) => `/inference.GRPCInferenceService/${name} false false`),
    '/inference.GRPCInferenceService/ModelStreamInfer true true',
    ...extensions.map((name) => `/inference.GRPCInferenceService/${name} false false`),
  ]);
});
