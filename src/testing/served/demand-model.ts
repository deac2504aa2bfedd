import {
  type DemandModelName,
  FEATURES_TENSOR,
  LEVEL_TENSOR,
  MAX_BATCH,
  MODEL_VERSION,
  NETWORKS,
  PROBABILITIES_TENSOR,
} from '../demand/models.js';
import { predict } from '../demand/network.js';
import { readRows, writeResponse } from '../server/tensors.js';
import type { ServedModel } from './served-model.js';

/** A real model of the mock server. */
export function demandModel(name: DemandModelName, latencyMs: number): ServedModel {
  return {
    name,
    versions: [MODEL_VERSION],
    platform: 'failsoft_mock',
    inputs: [{ ...FEATURES_TENSOR, shape: [-1n, BigInt(FEATURES_TENSOR.width)] }],
    outputs: [
      { ...LEVEL_TENSOR, shape: [-1n] },
      { ...PROBABILITIES_TENSOR, shape: [-1n, BigInt(PROBABILITIES_TENSOR.width)] },
    ],
    maxBatchSize: MAX_BATCH,
    decoupled: false,
    latencyMs,
    prepare: (request) => {
      const rows = readRows(request);
      return () =>
        writeResponse(
          request,
          rows.map((row) => predict(NETWORKS[name], row)),
        );
    },
  };
}
