// Two model servers, a guarded client with fallbacks, and an outage.
//
//   npx tsx examples/quickstart/main.ts

import { credentials } from '@grpc/grpc-js';
import {
  callUnary,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  lastGood,
  secondaryModel,
} from 'failsoft';
import { float32, inferRequest, tensor } from 'failsoft/oip';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  type ModelInferRequest,
} from 'failsoft/protos/oip';
import { labelledInputs, majorityAnswer, startMockServer } from 'failsoft/testing';

// Two mock model servers. Yours are already running somewhere.
const largeServer = await startMockServer({ models: ['demand-large'] });
const smallServer = await startMockServer({ models: ['demand-small'] });
const { address } = largeServer;
const { modelInfer } = GRPCInferenceServiceService;
const insecure = credentials.createInsecure();
const small = new GRPCInferenceServiceClient(smallServer.address, insecure);
const toSmall = (request: ModelInferRequest) => ({ ...request, modelName: 'demand-small' });

// Five lines: the fallbacks, in the order in which they are asked. The types come from the method.
const fallbacks = new FallbackRegistry().register(modelInfer, [
  lastGood(),
  secondaryModel(small, 'modelInfer', { name: 'small', request: toSmall }),
  defaultPrediction(majorityAnswer),
]);

// Two lines: guard a client. Each model has a circuit of its own; `fallbacks` may be left out.
const guard = createGuard({ defaultDeadlineMs: 500, fallbackReserveMs: 100, fallbacks });
const client = new GRPCInferenceServiceClient(address, insecure, guard.clientOptions());

// One line: print why a circuit opens and closes.
guard.on('transition', ({ circuitKey, from, to, reason }) => console.log(circuitKey, from, '->', to, reason));

// The client is called as before. callUnary() makes the call as a promise, and adds the answer's source.
async function predict(features: readonly number[]): Promise<string> {
  const request = inferRequest('demand-large', { features: float32([1, features.length], features) });
  const { response, source } = await callUnary(client, 'modelInfer', request);
  return `level ${tensor(response, 'level', 'INT64').data[0]} from ${source}`;
}

const inputs = labelledInputs(7);
const known = inputs.next().value.features;
const unknown = inputs.next().value.features;

console.log('all is well:', await predict(known));
await largeServer.kill();
console.log('the large model is dead:', await predict(known));
console.log('an input that it never saw:', await predict(unknown));
for (let failures = 3; failures <= 5; failures++) await predict(known); // the fifth in a row opens the circuit
await smallServer.kill();
console.log('both are dead:', await predict(unknown));

// From here on, calls pass unguarded. close() of the registry frees its strategies' memory and timers.
await guard.close();
await fallbacks.close();
client.close();
small.close();
