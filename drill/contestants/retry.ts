import { bareCaller } from './bare.js';
import type { Contestant } from './contestant.js';

/** From https://grpc.io/docs/guides/retry/ and gRFC A6, with the guide's own numbers. */
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: 'inference.GRPCInferenceService' }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
};

export const retry: Contestant = {
  name: 'retry',
  about: "grpc-js's retries and their throttling, with the numbers of gRPC's guide to retries.",
  open: (setting) => bareCaller(setting, SERVICE_CONFIG),
};
