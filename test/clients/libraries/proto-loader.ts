import { fileURLToPath } from 'node:url';
import { credentials, makeClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { type Library, MODEL_KEY } from '../library.js';

const includeDirs = [fileURLToPath(new URL('../../../protos', import.meta.url))];

interface Answer {
  readonly outputs: readonly { readonly contents: { readonly fp32_contents: readonly number[] } }[];
}

export function loaded() {
  const { 'inference.GRPCInferenceService': service } = loadSync('inference/grpc_service.proto', {
    includeDirs,
    keepCase: true,
  });
  if (service === undefined || 'format' in service) throw new Error('no service in the proto file');
  const { ModelInfer } = service;
  if (ModelInfer === undefined) throw new Error('no ModelInfer');
  return { service, ModelInfer };
}

const tensorOf = (name: string, value: number) => [
  { name, datatype: 'FP32', shape: [1], contents: { fp32_contents: [value] } },
];

export const protoLoader: Library = {
  name: 'grpc-js with proto-loader',
  packages: ['@grpc/proto-loader'],
  attached: '`new Client(address, credentials, { interceptors: [guard.interceptor] })`',
  lines: 1,
  source: '`provenanceOf(message)`',
  faults: 'm',
  circuitKey: MODEL_KEY,
  register: (fallbacks) => {
    const { ModelInfer } = loaded();
    fallbacks.register(ModelInfer, [lastGood(), defaultPrediction({ outputs: tensorOf('y', -1) })]);
  },
  connect: (address, guard) => {
    const Client = makeClientConstructor(loaded().service, 'GRPCInferenceService');
    const client = new Client(address, credentials.createInsecure(), { interceptors: [guard.interceptor] });
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          const request = { model_name: 'm', inputs: tensorOf('x', value) };
          client.ModelInfer?.(request, (error: ServiceError | null, response: Answer) => {
            if (error) return reject(error);
            const [answer = NaN] = response.outputs[0]?.contents.fp32_contents ?? [];
            resolve({ answer, source: provenanceOf(response).source });
          });
        }),
      close: () => client.close(),
    };
  },
};
