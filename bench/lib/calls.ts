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

/** Additional microseconds per call of a batch over another. Both are measured in turn, so that the machine is in the same state. */
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
 * The same, but the median of the batches' differences, for a difference that is smaller than the noise of a mean. The median
 * leaves out collections of garbage.
 */
export function usuallyAddedTo(base: Batch, batch: Batch): Sampler {
  return async () => {
    const differences: number[] = [];
    for (let n = 0; n < BATCHES; n++) {
      // the second of two batches finds the caches filled, so each batch is second as often as the other
      const isFirst = n % 2 === 0;
      const first = await usOf(isFirst ? batch : base);
      const second = await usOf(isFirst ? base : batch);
      differences.push(isFirst ? first - second : second - first);
    }
    return differences.sort((a, b) => a - b)[BATCHES / 2] ?? 0;
  };
}
