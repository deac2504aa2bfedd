import { credentials, Metadata } from '@grpc/grpc-js';
import { callUnary, defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { float32, inferRequest, inferResponse, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { type Library, MODEL_KEY } from '../library.js';

const { modelInfer } = GRPCInferenceServiceService;
const insecure = credentials.createInsecure();
const request = (value: number) => inferRequest('m', { x: float32([1], [value]) });

const common = {
  faults: 'm',
  circuitKey: MODEL_KEY,
  register: (fallbacks) => {
    fallbacks.register(modelInfer, [
      lastGood(),
      defaultPrediction((asked) => inferResponse(asked, { y: float32([1], [-1]) })),
    ]);
  },
} satisfies Partial<Library>;

/** A client of generated code. */
export const tsProto: Library = {
  ...common,
  name: 'grpc-js with ts-proto',
  packages: ['ts-proto'],
  attached: '`new Client(address, credentials, { interceptors: [guard.interceptor] })`',
  lines: 1,
  source: '`callUnary()`',
  connect: (address, guard) => {
    const client = new GRPCInferenceServiceClient(address, insecure, { interceptors: [guard.interceptor] });
    return {
      ask: async (value) => {
        const { response, source } = await callUnary(client, 'modelInfer', request(value));
        return { answer: tensor(response, 'y', 'FP32').data[0] ?? NaN, source };
      },
      close: () => client.close(),
    };
  },
};

/** What google-gax passes on to grpc-js: options with a prefix, of which grpc-js reads this one. */
export const transformer: Library = {
  ...common,
  name: 'grpc-js with `callInvocationTransformer`',
  packages: [],
  attached:
    '`callInvocationTransformer: (call) => ({ ...call, callOptions: { ...call.callOptions, interceptors: [guard.interceptor] } })`',
  lines: 4,
  source: '`provenanceOf(message)`',
  connect: (address, guard) => {
    const client = new GRPCInferenceServiceClient(address, insecure, {
      callInvocationTransformer: (call) => ({
        ...call,
        callOptions: { ...call.callOptions, interceptors: [guard.interceptor] },
      }),
    });
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          client.modelInfer(request(value), (error, response) => {
            if (error) return reject(error);
            const answer = tensor(response, 'y', 'FP32').data[0] ?? NaN;
            resolve({ answer, source: provenanceOf(response).source });
          });
        }),
      close: () => client.close(),
    };
  },
};

/** A client whose constructor takes no options, such as Clarifai's stub: the guard is an option of each call. */
export const perCall: Library = {
  ...common,
  name: 'grpc-js, per call',
  packages: [],
  attached: '`client.modelInfer(request, metadata, { interceptors: [guard.interceptor] }, callback)`',
  lines: 1,
  source: '`provenanceOf(message)`',
  connect: (address, guard) => {
    const client = new GRPCInferenceServiceClient(address, insecure);
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          const options = { interceptors: [guard.interceptor] };
          client.modelInfer(request(value), new Metadata(), options, (error, response) => {
            if (error) return reject(error);
            const answer = tensor(response, 'y', 'FP32').data[0] ?? NaN;
            resolve({ answer, source: provenanceOf(response).source });
          });
        }),
      close: () => client.close(),
    };
  },
};
