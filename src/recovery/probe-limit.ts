import type { Circuit } from '../circuit/types.js';
import type { AnyMethod } from './synthetic-call.js';

/** Whether probes of a method can be synthetic: unary methods only. */
export function canBeProbed(definition: AnyMethod): boolean {
  return !definition.requestStream && !definition.responseStream;
}

/** A probe that takes longer than this multiple of the usual latency has failed. */
const LONG = 20;
/**
 * Long enough for a lost packet (TCP waits at least 200 ms) or a garbage collection. A longer limit would find a hung server's
 * return later (docs/decisions/judgement.md).
 */
const LEAST_LIMIT_MS = 500;

/**
 * The time limit of a circuit's probe, in milliseconds. A probe that a hung server never answers must not keep the circuit
 * half-open for much longer than a caller would wait: for the default deadline, or for a multiple of the usual latency.
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
