export { type AdaptiveOptions, adaptive } from './trip/adaptive.js';
export { consecutive } from './trip/consecutive.js';
export { failureRate } from './trip/failure-rate.js';
export { latency } from './trip/latency.js';
export { slowRate } from './trip/slow-rate.js';
export type * from './types.js';
