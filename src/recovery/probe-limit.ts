import type { Circuit } from '../circuit/types.js';
import type { AnyMethod } from './synthetic-call.js';

/** Whether probes of a method can be synthetic: unary methods only. */
export function canBeProbed(definition: AnyMethod): boolean {
  return !definition.requestStream && !definition.responseStream;
}

/** Of the usual latency: a probe that takes longer is a failed probe. */
const LONG = 20;
const LEAST_LIMIT_MS = 1_000;

/**
 * What a probe of a circuit may take. A probe that a hung server never answers must not keep the circuit half-open for much longer
 * than a caller would wait: the usual latency says how long that is where no default deadline does.
 * @param usualMs the usual latency of the circuit's calls; 0 where it is not known
 */
export function probeLimitMs(
  circuit: Pick<Circuit, 'options'>,
  defaultDeadlineMs: number,
  usualMs: number,
): number {
  const longMs = usualMs > 0 ? Math.max(LEAST_LIMIT_MS, LONG * usualMs) : Number.POSITIVE_INFINITY;
  return Math.min(defaultDeadlineMs, longMs, circuit.options?.halfOpen?.probeTimeoutMs ?? 10_000);
}
