import type { Interceptor } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient, ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { fakeClient } from './fake-channel.js';
import type { Sampler } from './row.js';

export const answer = ModelInferResponse.fromPartial({ modelName: 'demand-large', id: '1' });
const answerBytes = Buffer.from(ModelInferResponse.encode(answer).finish());
export const request = ModelInferRequest.fromPartial({ modelName: 'demand-large' });

export function client(...interceptors: Interceptor[]): GRPCInferenceServiceClient {
  return fakeClient(GRPCInferenceServiceClient, answerBytes, { interceptors });
}

export const BATCH = 100;
export const BATCHES = 100;

export type Batch = () => Promise<void>;

/** Makes a batch of calls in one turn, as a busy service does; resolves when the last call is answered. */
export function calls(on: GRPCInferenceServiceClient): Batch {
  return () =>
    new Promise((resolve) => {
      let left = BATCH;
      const done = () => {
        left--;
        if (left === 0) setImmediate(resolve);
      };
      for (let n = 0; n < BATCH; n++) on.modelInfer(request, done);
    });
}

export async function usOf(batch: Batch): Promise<number> {
  const start = process.hrtime.bigint();
  await batch();
  return Number(process.hrtime.bigint() - start) / 1_000 / BATCH;
}

/** Additional microseconds per call of a batch over another, measured in turn, on a machine in the same state. */
export function addedTo(base: Batch, batch: Batch): Sampler {
  return async () => {
    let sum = 0;
    for (let n = 0; n < BATCHES; n++) {
      const without = await usOf(base);
      sum += (await usOf(batch)) - without;
    }
    return sum / BATCHES;
  };
}

/**
 * The same as the median of the batches' differences, for a difference that is smaller than the noise of a mean. It leaves out the
 * garbage of a batch, where there is any.
 */
export function usuallyAddedTo(base: Batch, batch: Batch): Sampler {
  return async () => {
    const differences: number[] = [];
    for (let n = 0; n < BATCHES; n++) {
      // the second of two batches has the caches of the first: each is as often the second
      const isFirst = n % 2 === 0;
      const first = await usOf(isFirst ? batch : base);
      const second = await usOf(isFirst ? base : batch);
      differences.push(isFirst ? first - second : second - first);
    }
    return differences.sort((a, b) => a - b)[BATCHES / 2] ?? 0;
  };
}
