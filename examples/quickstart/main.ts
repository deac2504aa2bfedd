import { credentials } from '@grpc/grpc-js';
import {
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  failureRate,
  lastGood,
  latencyPercentile,
  perModel,
  presets,
  provenanceOf,
  secondaryModel,
} from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import {
  demandLevel,
  demandRequest,
  labelledInputs,
  majorityAnswer,
  startMockServer,
} from 'failsoft/testing';

// Two model servers; yours are already running somewhere.
const largeServer = await startMockServer({ models: ['demand-large'] });
const smallServer = await startMockServer({ models: ['demand-small'] });
const { modelInfer } = GRPCInferenceServiceService;
const insecure = credentials.createInsecure();

// 1. What answers when the model does not: tried in this order, typed by the method.
const small = new GRPCInferenceServiceClient(smallServer.address, insecure);
const fallbacks = new FallbackRegistry().register(modelInfer, [
  lastGood({ ttlMs: 60_000, maxStaleMs: 600_000 }),
  secondaryModel(small, 'modelInfer', {
    name: 'small',
    request: (request) => ({ ...request, modelName: 'demand-small' }),
  }),
  defaultPrediction(majorityAnswer),
]);

// 2. When a model is not asked any more: one circuit per model.
const guard = createGuard({
  keyBy: perModel(),
  classify: presets.triton,
  circuit: {
    trip: [
      failureRate({ threshold: 0.5, minimumCalls: 20 }),
      latencyPercentile({ percentile: 99, thresholdMs: 300, minimumCalls: 100 }),
    ],
  },
  methods: [{ match: modelInfer, defaultDeadlineMs: 500, fallbackReserveMs: 100 }],
  fallbacks,
});
guard.on('transition', ({ circuit, from, to, reason }) => {
  console.log(`${circuit}: ${from} -> ${to} (${reason})`);
});

// 3. The client is used as ever.
const client = new GRPCInferenceServiceClient(largeServer.address, insecure, {
  interceptors: [guard.interceptor],
});

function predict(features: readonly number[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let source = 'primary';
    const call = client.modelInfer(demandRequest('demand-large', features), (error, response) => {
      if (error) reject(error);
      else resolve(`level ${demandLevel(response)} from ${source}`);
    });
    call.on('metadata', (metadata) => {
      source = provenanceOf(metadata).source;
    });
  });
}

const inputs = labelledInputs(7);
const known = inputs.next().value.features;
const unknown = inputs.next().value.features;

console.log('all is well:', await predict(known));
await largeServer.kill();
console.log('the large model is dead:', await predict(known));
console.log('an input that it never saw:', await predict(unknown));
for (let calls = 3; calls < 20; calls++) await predict(known); // enough evidence: the circuit opens
await smallServer.kill();
console.log('both are dead:', await predict(unknown));

// 4. Calls pass unguarded from here on; fallbacks let go of what they hold.
await guard.close();
client.close();
small.close();
