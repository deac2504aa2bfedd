export type { MeteredGuard, MeteredQueue } from '../readings/metered-guard.js';
export { type Metrics, type PrometheusOptions, prometheus } from './prometheus.js';
export type { AnyRegistry } from './registered-families.js';
