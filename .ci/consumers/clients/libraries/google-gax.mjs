import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { createApiCall, GoogleAuth, GrpcClient, grpc } from 'google-gax';

// As the generated clients do: the stub and its calls are gax's; here of a service that no Google Cloud has.
const proto = fileURLToPath(import.meta.resolve('failsoft/protos/inference/grpc_service.proto'));
const protos = dirname(dirname(proto));
const auth = new GoogleAuth({ authClient: { universeDomain: 'googleapis.com' } });
const gax = new GrpcClient({ auth });
const { GRPCInferenceService } = gax.loadProto(protos, 'inference/grpc_service.proto').inference;

const SERVICE = 'inference.GRPCInferenceService';
const config = { interfaces: { [SERVICE]: { methods: { ModelInfer: { timeout_millis: 20_000 } } } } };
const { modelInfer: settings } = gax.constructSettings(SERVICE, config, {}, {});

const tensors = (name, value) => [
  { name, datatype: 'FP32', shape: [1], contents: { fp32Contents: [value] } },
];

export const library = {
  circuitKey: '/inference.GRPCInferenceService/ModelInfer#m',
  register: (fallbacks) => {
    const { ModelInfer } = GRPCInferenceService.service;
    fallbacks.register(ModelInfer, [lastGood(), defaultPrediction({ outputs: tensors('y', -1) })]);
  },
  connect: async (address, guard) => {
    const [servicePath, port] = address.split(':');
    const stub = gax.createStub(GRPCInferenceService, {
      servicePath,
      port,
      sslCreds: grpc.credentials.createInsecure(),
      'grpc.callInvocationTransformer': (call) => ({
        ...call,
        callOptions: { ...call.callOptions, interceptors: [guard.interceptor] },
      }),
    });
    const method = stub.then((each) => each.modelInfer.bind(each));
    const modelInfer = createApiCall(method, settings);
    return {
      ask: async (value) => {
        const [response] = await modelInfer({ modelName: 'm', inputs: tensors('x', value) });
        return {
          answer: response.outputs[0].contents.fp32Contents[0],
          source: provenanceOf(response).source,
        };
      },
      close: async () => (await stub).close(),
    };
  },
};
