import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
  ModelInferResponse,
} from 'failsoft/protos/oip';
import { fakeClient } from '../lib/fake-channel.js';
import type { Row, Sampler } from '../lib/row.js';
import { Clients, startServer, throughput } from '../lib/wire.js';

// The cost of a call among many circuits, among many calls at a time, and with large messages: its ratio to the floor must not grow.

const BATCH = 100;

const noOp: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));

/** Microseconds per call, in batches that are made in one turn; each call takes the next request. */
function usPerCall(
  requests: readonly ModelInferRequest[],
  answer: ModelInferResponse,
  interceptor: Interceptor,
  batch = BATCH,
): Sampler {
  const bytes = Buffer.from(ModelInferResponse.encode(answer).finish());
  const client = fakeClient(GRPCInferenceServiceClient, bytes, { interceptors: [interceptor] });
  let next = 0;
  const run = () =>
    new Promise<void>((resolve) => {
      let left = batch;
      const done = () => {
        if (--left === 0) setImmediate(resolve);
      };
      for (let n = 0; n < batch; n++) {
        const request = requests[next++ % requests.length];
        if (request !== undefined) client.modelInfer(request, done);
      }
    });
  return async () => {
    const rounds = Math.ceil(5_000 / batch);
    const start = process.hrtime.bigint();
    for (let n = 0; n < rounds; n++) await run();
    return Number(process.hrtime.bigint() - start) / 1_000 / (rounds * batch);
  };
}

/** Calls that go in turn through `count` circuits. */
function manyCircuits(count: number, name: string): Row {
  return {
    name,
    unit: 'us',
    open: async () => {
      const requests = Array.from({ length: count }, (_, n) =>
        ModelInferRequest.fromPartial({ modelName: `model-${n}` }),
      );
      const guard = createGuard({ maxCircuits: count });
      const answer = ModelInferResponse.fromPartial({});
      // Makes every circuit before the first measurement.
      const { modelInfer } = GRPCInferenceServiceService;
      for (const { modelName } of requests) guard.circuit(modelInfer, modelName);
      return {
        ours: usPerCall(requests, answer, guard.interceptor),
        floor: usPerCall(requests, answer, noOp),
      };
    },
  };
}

/** Calls over the wire, `atATime` at a time. */
function concurrent(atATime: number): Row {
  const calls = Math.max(500, atATime * 4);
  return {
    name: `scale.concurrent.${atATime}`,
    unit: '1/s',
    moreIsBetter: true,
    open: async () => {
      const server = await startServer();
      const clients = new Clients(server.address);
      return {
        ours: throughput(clients.asking(createGuard().interceptor), calls, atATime),
        floor: throughput(clients.asking(), calls, atATime),
        close: () => {
          clients.close();
          server.stop();
        },
      };
    },
  };
}

/** Requests and answers of `bytes` bytes. `kept`: each answer is kept for later, for which both must be encoded. */
function messages(bytes: number, size: string, kept: boolean): Row {
  return {
    name: `scale.message.${size}${kept ? '.kept' : ''}`,
    unit: 'us',
    open: () => {
      const content = Buffer.alloc(bytes, 1);
      const request = ModelInferRequest.fromPartial({ modelName: 'm', rawInputContents: [content] });
      const answer = ModelInferResponse.fromPartial({ modelName: 'm', rawOutputContents: [content] });
      const fallbacks = new FallbackRegistry();
      if (kept) fallbacks.register(GRPCInferenceServiceService.modelInfer, [lastGood()]);
      const guard = createGuard({ fallbacks });
      const batch = bytes > 100_000 ? 5 : BATCH;
      const bare = usPerCall([request], answer, noOp, batch);
      const encode = () => {
        const times = bytes > 100_000 ? 50 : 5_000;
        const start = process.hrtime.bigint();
        for (let n = 0; n < times; n++) {
          ModelInferRequest.encode(request).finish();
          ModelInferResponse.encode(answer).finish();
        }
        return Number(process.hrtime.bigint() - start) / 1_000 / times;
      };
      return {
        ours: usPerCall([request], answer, guard.interceptor, batch),
        floor: kept ? async () => (await bare()) + encode() : bare,
      };
    },
  };
}

export const rows: readonly Row[] = [
  manyCircuits(1, 'scale.circuits.1'),
  manyCircuits(1_000, 'scale.circuits.1k'),
  manyCircuits(100_000, 'scale.circuits.100k'),
  ...[1, 32, 512].map(concurrent),
  ...[false, true].flatMap((kept) => [
    messages(100, '100B', kept),
    messages(10_000, '10kB', kept),
    messages(1_000_000, '1MB', kept),
  ]),
];
