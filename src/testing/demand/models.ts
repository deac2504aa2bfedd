import largeWeights from '../models/demand-large.weights.json' with { type: 'json' };
import smallWeights from '../models/demand-small.weights.json' with { type: 'json' };
import { DEMAND_FEATURES, DEMAND_LEVELS } from './inputs.js';
import type { NetworkWeights } from './network.js';

/** The models of the mock server. Both predict a demand level: the large model well, the small model cheaply. */
export const DEMAND_MODELS = ['demand-large', 'demand-small'] as const;
/** The name of one of the {@link DEMAND_MODELS}. */
export type DemandModelName = (typeof DEMAND_MODELS)[number];

/** The version of each model. */
export const MODEL_VERSION = '1';

/** The input tensor: FP32, [batch, features]. */
export const FEATURES_TENSOR = { name: 'features', datatype: 'FP32', width: DEMAND_FEATURES.length } as const;
/** The output tensors: the index of the likeliest level, INT64 [batch]; and FP32 [batch, levels]. */
export const LEVEL_TENSOR = { name: 'level', datatype: 'INT64' } as const;
export const PROBABILITIES_TENSOR = {
  name: 'probabilities',
  datatype: 'FP32',
  width: DEMAND_LEVELS.length,
} as const;

/** The trained weights of each model. */
export const NETWORKS: Readonly<Record<DemandModelName, NetworkWeights>> = {
  'demand-large': largeWeights,
  'demand-small': smallWeights,
};

/** The default latency of each model, in milliseconds: about the latency that two such models have on a core. */
export const DEFAULT_LATENCY_MS: Readonly<Record<DemandModelName, number>> = {
  'demand-large': 8,
  'demand-small': 2,
};

/** Most inputs of a request. */
export const MAX_BATCH = 1024;
