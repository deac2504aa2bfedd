import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
  ModelInferResponse,
} from 'failsoft/protos/oip';
import { fakeClient } from '../lib/fake-channel.js';
import type { Row, Sampler } from '../lib/row.js';

const { modelInfer } = GRPCInferenceServiceService;

const IN_FLIGHT = 20;

/**
 * The event loop's delay at the 99th percentile, in milliseconds, while twenty callers call in every turn. All requests
 * differ, so that no answer is kept already, and all answers have the same size.
 */
function delayP99(client: GRPCInferenceServiceClient, bytes: number, calls: number): Sampler {
  const tensor = Buffer.alloc(bytes);
  let count = 0;
  const call = (done: () => void) => {
    count++;
    tensor.writeUInt32LE(count);
    const request = ModelInferRequest.fromPartial({ modelName: 'demand-large', rawInputContents: [tensor] });
    client.modelInfer(request, done);
  };
  const caller = async () => {
    for (let left = calls / IN_FLIGHT; left > 0; left--) {
      await new Promise<void>((resolve) => call(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
    delay.disable();
    return delay.percentile(99) / 1e6;
  };
}

/** By how much keeping answers delays everything else in the process, when all is well. */
const row = (size: string, bytes: number, calls: number): Row => ({
  name: `fallback.lastGood.loop.p99.${size}`,
  unit: 'ms',
  open: () => {
    const answer = ModelInferResponse.fromPartial({ rawOutputContents: [Buffer.alloc(bytes)] });
    const answerBytes = Buffer.from(ModelInferResponse.encode(answer).finish());
    const fallbacks = new FallbackRegistry().register(modelInfer, [lastGood()]);
    const interceptors = [createGuard({ fallbacks }).interceptor];
    const guarded = fakeClient(GRPCInferenceServiceClient, answerBytes, { interceptors });
    const bare = fakeClient(GRPCInferenceServiceClient, answerBytes);
    return { ours: delayP99(guarded, bytes, calls), floor: delayP99(bare, bytes, calls) };
  },
});

export const rows: readonly Row[] = [
  row('1kB', 1_000, 20_000),
  row('100kB', 100_000, 2_000),
  row('4MB', 4_000_000, 100),
];
