import { Metadata } from '@grpc/grpc-js';
import {
  type CircuitOptions,
  consecutiveFailures,
  createGuard,
  failureRate,
  latencyPercentile,
  type ProbeTarget,
  presets,
} from 'failsoft';
import { GRPCInferenceServiceService, ModelInferRequest } from 'failsoft/protos/oip';
import { CALL_ID } from '../server/service.js';
import type { Contestant } from './contestant.js';
import { chainOf, guardedCaller } from './guarded.js';

const { modelInfer, modelStreamInfer } = GRPCInferenceServiceService;

/** The options of its circuits, which the simulator uses too. */
export function tunedCircuit(deadlineMs: number): CircuitOptions {
  return {
    trip: [
      consecutiveFailures({ failures: 5 }),
      failureRate({ threshold: 0.5, minimumCalls: 20 }),
      latencyPercentile({ percentile: 99, thresholdMs: deadlineMs * 0.6, minimumCalls: 100 }),
    ],
    // short open times that do not grow, because a synthetic probe costs no caller anything
    open: { baseMs: 500, maxMs: 500 },
  };
}

/** An inference of the circuit's model, as callers make them. */
function syntheticRequest({ keyPart }: ProbeTarget): ModelInferRequest {
  return ModelInferRequest.fromPartial({ modelName: keyPart, rawInputContents: [Buffer.alloc(64)] });
}

/** The servers write down the number of each call: this number is no caller's. */
function syntheticMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.set(CALL_ID, '-1000000');
  return metadata;
}

/** What failsoft's README recommends for models behind calls of half a second; the same for every scenario. */
export const failsoftTuned: Contestant = {
  name: 'failsoft-tuned',
  about:
    "failsoft with the settings of its README's example: a latency rule, a soft deadline, a reserve for fallbacks and a synthetic probe; attached with `clientOptions()`.",
  open(setting) {
    const { deadlineMs } = setting;
    const guard = createGuard({
      classify: presets.triton,
      circuit: tunedCircuit(deadlineMs),
      fallbackReserveMs: deadlineMs / 5,
      methods: [
        { match: modelInfer, fallbackAfterMs: deadlineMs / 2 },
        { match: modelStreamInfer, firstMessageTimeoutMs: deadlineMs / 2, stallTimeoutMs: deadlineMs / 2 },
      ],
      recovery: { probeWith: syntheticRequest, metadata: syntheticMetadata },
      fallbacks: chainOf(setting),
    });
    return guardedCaller(setting, guard);
  },
};
