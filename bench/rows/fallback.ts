import type { ClientOptions } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry, type Guard, lastGood } from 'failsoft';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
  ModelInferResponse,
} from 'failsoft/protos/oip';
import { fakeClient } from '../lib/fake-channel.js';
import type { Row, Sampler, Subjects } from '../lib/row.js';
import { nsPerCall } from '../lib/samplers.js';

const { modelInfer, modelReady } = GRPCInferenceServiceService;

const request = ModelInferRequest.fromPartial({
  modelName: 'demand-large',
  rawInputContents: [Buffer.alloc(32)],
});
const answerOf = (bytes: number) =>
  ModelInferResponse.fromPartial({ modelName: 'demand-large', rawOutputContents: [Buffer.alloc(bytes)] });
const bytesOf = (answer: ModelInferResponse) => Buffer.from(ModelInferResponse.encode(answer).finish());

const BATCH = 100;
const BATCHES = 40;

/** Microseconds per call of a batch that is made in one turn, including the work that the batch leaves for the next turn. */
function usPerCall(answerBytes: Buffer, options: ClientOptions): () => Promise<number> {
  const client = fakeClient(GRPCInferenceServiceClient, answerBytes, options);
  return async () => {
    const start = process.hrtime.bigint();
    await new Promise<void>((resolve) => {
      let left = BATCH;
      const done = () => {
        if (--left === 0) setImmediate(resolve);
      };
      for (let n = 0; n < BATCH; n++) client.modelInfer(request, done);
    });
    return Number(process.hrtime.bigint() - start) / 1_000 / BATCH;
  };
}

function middleOf(sample: () => Promise<number>): Sampler {
  return async () => {
    const samples: number[] = [];
    for (let n = 0; n < BATCHES; n++) samples.push(await sample());
    return samples.sort((a, b) => a - b)[BATCHES >> 1] ?? Number.NaN;
  };
}

/** The additional cost of the first, measured in turn with the second, on a machine in the same state. */
function added(more: () => Promise<number>, bare: () => Promise<number>): Sampler {
  return middleOf(async () => {
    const without = await bare();
    return (await more()) - without;
  });
}

/** The ways to attach a guard to a client. */
const byOptions = (guard: Guard): ClientOptions => guard.clientOptions();
const byInterceptor = (guard: Guard): ClientOptions => ({ interceptors: [guard.interceptor] });

/** A whole call that is answered from memory, by clients with this attachment. */
async function hitting(optionsOf: (guard: Guard) => ClientOptions): Promise<Subjects> {
  const answer = answerOf(0);
  const isolated = (fallbacks: FallbackRegistry) => createGuard({ fallbacks });
  const kept = isolated(new FallbackRegistry().register(modelInfer, [lastGood()]));
  const fixed = isolated(new FallbackRegistry().register(modelInfer, [defaultPrediction(answer)]));
  const ours = usPerCall(bytesOf(answer), optionsOf(kept));
  await ours(); // fills it
  for (const guard of [kept, fixed]) guard.circuit(modelInfer, request.modelName).isolate();
  return { ours: middleOf(ours), floor: middleOf(usPerCall(bytesOf(answer), optionsOf(fixed))) };
}

const hit: Row = {
  name: 'fallback.lastGood.hit',
  unit: 'us',
  budgetOfFloor: 1.5,
  open: () => hitting(byInterceptor),
};

/** The client also notes the bytes of its messages, which a rejected call does not send. */
const hitByOptions: Row = {
  name: 'fallback.lastGood.hit.client-options',
  unit: 'us',
  open: () => hitting(byOptions),
};

/** What keeping an answer adds to a call of a client with this attachment. */
function storing(optionsOf: (guard: Guard) => ClientOptions): Subjects {
  const answer = answerOf(1_000);
  const bytes = bytesOf(answer);
  const fallbacks = new FallbackRegistry().register(modelInfer, [lastGood()]);
  // Request and answer must be bytes before the caller can change them. So the time of the generated encoders is the floor for a
  // guard that cannot use the bytes of the client.
  const encoders = nsPerCall(() => {
    ModelInferRequest.encode(request).finish();
    ModelInferResponse.encode(answer).finish();
  });
  return {
    ours: added(
      usPerCall(bytes, optionsOf(createGuard({ fallbacks }))),
      usPerCall(bytes, optionsOf(createGuard())),
    ),
    floor: async () => (await encoders()) / 1_000,
  };
}

const store: Row = {
  name: 'fallback.lastGood.store',
  unit: 'us',
  budgetOfFloor: 1.5,
  open: () => storing(byOptions),
};

/** With `guard.interceptor` alone, the guard has no access to the client's bytes, and encodes both messages again. */
const storeByInterceptor: Row = {
  name: 'fallback.lastGood.store.interceptor',
  unit: 'us',
  open: () => storing(byInterceptor),
};

const storeElsewhere: Row = {
  name: 'fallback.lastGood.store.other-method',
  unit: 'us',
  open: () => {
    const bytes = bytesOf(answerOf(1_000));
    const fallbacks = new FallbackRegistry().register(modelReady, [lastGood()]);
    const keeps = createGuard({ fallbacks });
    return { ours: added(usPerCall(bytes, byOptions(keeps)), usPerCall(bytes, byOptions(createGuard()))) };
  },
};

export const rows: readonly Row[] = [hit, hitByOptions, store, storeByInterceptor, storeElsewhere];
