export { type AdaptiveOptions, adaptive } from './trip/adaptive.js';
export { consecutiveFailures } from './trip/consecutive-failures.js';
export { failureRate } from './trip/failure-rate.js';
export { latencyPercentile } from './trip/latency-percentile.js';
export { slowRate } from './trip/slow-rate.js';
export type * from './types.js';
