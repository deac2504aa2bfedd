declare module 'opossum-prometheus' {
  import type CircuitBreaker from 'opossum';

  /** What the tests use of it; the package has no types of its own. */
  export default class PrometheusMetrics {
    constructor(options?: { readonly circuits?: readonly CircuitBreaker[] });
    add(circuits: CircuitBreaker | readonly CircuitBreaker[]): void;
    clear(): void;
    readonly metrics: string;
  }
}
