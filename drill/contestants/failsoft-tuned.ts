import {
  type CircuitOptions,
  consecutiveFailures,
  createGuard,
  failureRate,
  latencyPercentile,
  presets,
} from 'failsoft';
import { GRPCInferenceServiceService } from 'failsoft/protos/oip';
import type { Contestant } from './contestant.js';
import { chainOf, guardedCaller } from './guarded.js';

const { modelInfer, modelStreamInfer } = GRPCInferenceServiceService;

/** Its circuits, which the simulator has, too. */
export function tunedCircuit(deadlineMs: number): CircuitOptions {
  return {
    trip: [
      consecutiveFailures({ failures: 5 }),
      failureRate({ threshold: 0.5, minimumCalls: 20 }),
      latencyPercentile({ percentile: 99, thresholdMs: deadlineMs * 0.6, minimumCalls: 100 }),
    ],
    open: { baseMs: 1_000, maxMs: 10_000 },
  };
}

/** What failsoft's README recommends for models behind calls of half a second; the same for every scenario. */
export const failsoftTuned: Contestant = {
  name: 'failsoft-tuned',
  about:
    "failsoft as its README's example: a latency rule, a soft deadline and a reserve for fallbacks; open for a second at first, as the others are.",
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
      fallbacks: chainOf(setting),
    });
    return guardedCaller(setting, guard, { 'grpc.max_reconnect_backoff_ms': 1_000 });
  },
};
