import { credentials } from '@grpc/grpc-js';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { float32, inferRequest, inferResponse, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { startControlPlane } from '../xds/control-plane.mjs';

const { modelInfer } = GRPCInferenceServiceService;

export const library = {
  circuitKey: `${modelInfer.path}#m`,
  register: (fallbacks) => {
    const none = inferResponse(inferRequest('m', {}), { y: float32([1], [-1]) });
    fallbacks.register(modelInfer, [lastGood(), defaultPrediction(none)]);
  },
  connect: async (address, guard) => {
    const controlPlane = await startControlPlane(address);
    const client = new GRPCInferenceServiceClient('xds:///model', credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          client.modelInfer(inferRequest('m', { x: float32([1], [value]) }), (error, response) => {
            if (error) return reject(error);
            const [answer] = tensor(response, 'y').data;
            resolve({ answer, source: provenanceOf(response).source });
          });
        }),
      close: () => {
        client.close();
        controlPlane.close();
      },
    };
  },
};
