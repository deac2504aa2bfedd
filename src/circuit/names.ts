/** The states of a circuit. `isolate()` and `mode` are independent of the state. */
export type CircuitStateName = 'closed' | 'open' | 'half-open' | 'recovering';

/** Why a call was not admitted; the `reason` of the ErrorInfo that the caller of a client sees. */
export type RejectionReason =
  | 'CIRCUIT_OPEN'
  | 'HALF_OPEN'
  | 'RECOVERING'
  | 'ISOLATED'
  | 'CONCURRENCY_LIMIT'
  | 'THROTTLED';

/** Every {@link RejectionReason}. */
export const REJECTION_REASONS: readonly RejectionReason[] = [
  'CIRCUIT_OPEN',
  'HALF_OPEN',
  'RECOVERING',
  'ISOLATED',
  'CONCURRENCY_LIMIT',
  'THROTTLED',
];
