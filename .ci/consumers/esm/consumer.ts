import { credentials, Metadata } from '@grpc/grpc-js';
import { circuitRejectionOf, createGuard, FallbackRegistry, isFailsoftError } from 'failsoft';
import { float32, inferRequest, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceClient, ModelInferRequest } from 'failsoft/protos/oip';
import { startMockServer } from 'failsoft/testing';

const fallbacks = new FallbackRegistry();
const guard = createGuard({ fallbacks });
guard.on('transition', (event) => console.log(event));
const server = await startMockServer({ port: 0 });
const interceptors = [guard.interceptor];
const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), { interceptors });
const options = { failsoft: { fallback: false, key: 'mine' } };
client.modelInfer(ModelInferRequest.fromPartial({}), new Metadata(), options, (error) => {
  console.log(circuitRejectionOf(error), isFailsoftError(error));
});
client.modelInfer(
  ModelInferRequest.fromPartial({}),
  new Metadata(),
  { failsoft: { bypass: true } },
  () => {},
);
// @ts-expect-error the call option is typed, and this is not its type
client.modelInfer(ModelInferRequest.fromPartial({}), new Metadata(), { failsoft: { bypass: 1 } }, () => {});
const data: Float32Array = tensor(inferRequest('m', { x: float32([1], [1]) }), 'x', 'FP32').data;
console.log(data);
