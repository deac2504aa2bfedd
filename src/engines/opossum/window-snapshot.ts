import type CircuitBreaker from 'opossum';
import type { CircuitSnapshot } from '../../circuit/types.js';

/** The window's part of a snapshot, from opossum's statistics. opossum gives -1 for percentiles that it does not keep. */
export function windowSnapshot(stats: CircuitBreaker.Stats): CircuitSnapshot['window'] {
  const { successes, failures, percentiles } = stats;
  const calls = successes + failures;
  const { 0.5: p50 = -1, 0.9: p90 = -1, 0.99: p99 = -1 } = percentiles;
  return {
    calls,
    unhealthy: failures,
    failureRate: calls === 0 ? 0 : failures / calls,
    slowRate: null,
    latencyMs: calls === 0 || p50 < 0 ? null : { p50, p90, p99 },
  };
}
