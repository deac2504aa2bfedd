export { defaults, type ResolvedOptions } from './options/resolve.js';
export { checkSnapshot } from './restore.js';
export { adaptive } from './trip/adaptive.js';
export { consecutiveFailures } from './trip/consecutive-failures.js';
export { failureRate } from './trip/failure-rate.js';
export { latencyPercentile } from './trip/latency-percentile.js';
export { signal } from './trip/signal.js';
export { slowRate } from './trip/slow-rate.js';
export {
  type AdaptiveOptions,
  type AdaptiveRule,
  type BaselineSnapshot,
  type Circuit,
  type CircuitMode,
  type CircuitOptions,
  type CircuitRecovery,
  type CircuitSnapshot,
  type CircuitStateName,
  type Circumstances,
  type ConcurrencyOptions,
  type ConsecutiveFailuresRule,
  type ExecuteOptions,
  type FailureRateRule,
  type HalfOpenOptions,
  type IsolationHandle,
  type Jitter,
  type LatencyPercentileRule,
  type Opening,
  type OpenOptions,
  type Permit,
  type Priority,
  type RampOptions,
  REJECTION_REASONS,
  type Rejection,
  type RejectionReason,
  type Signal,
  type SignalRule,
  type SlowRateRule,
  type ThrottleOptions,
  type TripRule,
  type TripRuleName,
  type WindowOptions,
} from './types.js';
export { nearestRank } from './window/nearest-rank.js';
