import { ChannelCredentials } from '@grpc/grpc-js';
import { GrpcTransport } from '@protobuf-ts/grpc-transport';
import { MessageType, RepeatType, ScalarType } from '@protobuf-ts/runtime';
import { ServiceType, type UnaryCall } from '@protobuf-ts/runtime-rpc';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { type Library, MODEL_KEY } from '../library.js';

// Types over the real runtime, as its plugin writes them. Only the fields that the story needs.
interface Contents {
  fp32Contents: number[];
}
interface Tensor {
  name: string;
  datatype: string;
  shape: bigint[];
  contents?: Contents;
}
interface Request {
  modelName: string;
  inputs: Tensor[];
}
interface Response {
  modelName: string;
  outputs: Tensor[];
}

const packed = RepeatType.PACKED;
const Contents = new MessageType<Contents>('inference.InferTensorContents', [
  { no: 6, name: 'fp32_contents', kind: 'scalar', T: ScalarType.FLOAT, repeat: packed },
]);
const Tensor = new MessageType<Tensor>('inference.Tensor', [
  { no: 1, name: 'name', kind: 'scalar', T: ScalarType.STRING },
  { no: 2, name: 'datatype', kind: 'scalar', T: ScalarType.STRING },
  { no: 3, name: 'shape', kind: 'scalar', T: ScalarType.INT64, L: 0, repeat: packed },
  { no: 5, name: 'contents', kind: 'message', T: () => Contents },
]);
const Request = new MessageType<Request>('inference.ModelInferRequest', [
  { no: 1, name: 'model_name', kind: 'scalar', T: ScalarType.STRING },
  { no: 5, name: 'inputs', kind: 'message', T: () => Tensor, repeat: RepeatType.UNPACKED },
]);
const Response = new MessageType<Response>('inference.ModelInferResponse', [
  { no: 1, name: 'model_name', kind: 'scalar', T: ScalarType.STRING },
  { no: 5, name: 'outputs', kind: 'message', T: () => Tensor, repeat: RepeatType.UNPACKED },
]);
const service = new ServiceType('inference.GRPCInferenceService', [
  { name: 'ModelInfer', options: {}, I: Request, O: Response },
]);
const [modelInfer] = service.methods;
if (modelInfer === undefined) throw new Error('no method');

/** The library has no definitions of grpc-js's shape; a chain needs one. */
const definition = {
  path: '/inference.GRPCInferenceService/ModelInfer',
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: Request) => Buffer.from(Request.toBinary(message)),
  requestDeserialize: (bytes: Buffer) => Request.fromBinary(bytes),
  responseSerialize: (message: Response) => Buffer.from(Response.toBinary(message)),
  responseDeserialize: (bytes: Buffer) => Response.fromBinary(bytes),
} as const;

const tensorOf = (name: string, value: number): Tensor[] => [
  { name, datatype: 'FP32', shape: [1n], contents: { fp32Contents: [value] } },
];

export const protobufTs: Library = {
  name: 'protobuf-ts',
  packages: ['@protobuf-ts/grpc-transport'],
  attached:
    '`new GrpcTransport({ host, channelCredentials, clientOptions: { interceptors: [guard.interceptor] } })`',
  lines: 1,
  source: '`provenanceOf(message)`',
  faults: 'm',
  circuitKey: MODEL_KEY,
  register: (fallbacks) => {
    const answer = { modelName: 'm', outputs: tensorOf('y', -1) };
    fallbacks.register(definition, [lastGood(), defaultPrediction<Request, Response>(answer)]);
  },
  connect: (host, guard) => {
    const transport = new GrpcTransport({
      host,
      channelCredentials: ChannelCredentials.createInsecure(),
      clientOptions: { interceptors: [guard.interceptor] },
    });
    return {
      ask: async (value) => {
        const request: Request = { modelName: 'm', inputs: tensorOf('x', value) };
        const call: UnaryCall<object, object> = transport.unary(modelInfer, request, {});
        const response = await call.response;
        if (!Response.is(response)) throw new Error('no response');
        const [answer = NaN] = response.outputs[0]?.contents?.fp32Contents ?? [];
        return { answer, source: provenanceOf(response).source };
      },
      close: () => transport.close(),
    };
  },
};
