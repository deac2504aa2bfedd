import type { StatusObject } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { pushbackOf } from '../status/push-back.js';
import { circumstancesOf } from './circumstances.js';
import type { MethodGuard } from './method-guard.js';
import type { Permits } from './permits.js';

/** A real call that is over. */
export interface EndedCall {
  readonly entry: Entry;
  /** Undefined for a call that was rejected. */
  readonly permits: Permits | undefined;
  readonly startedAtMs: number;
  /** The time that the real call was given, in milliseconds: the caller's, less the reserve. Infinity without a deadline. */
  readonly givenMs: number;
}

/**
 * Settles the permits of a real call, with its push-back and its circumstances. If the answer is good, records the caller's wait
 * in the usual latency.
 * @param waitedMs how long the caller waited for the server
 */
export function settleEnded(
  method: MethodGuard,
  ended: EndedCall,
  received: StatusObject,
  outcome: Outcome,
  nowMs: number,
  waitedMs: number,
): void {
  const pushbackMs = isUnhealthy(outcome) ? pushbackOf(received.metadata) : 0;
  const circumstances = circumstancesOf(method, ended, outcome, received, nowMs, waitedMs);
  ended.permits?.settle(outcome, received.code, waitedMs, pushbackMs, circumstances);
  if (outcome === 'success' && circumstances === undefined) ended.entry.usualLatency.record(waitedMs);
}

/** Whether the server was given less time than the method usually takes: a time-out is then no evidence against the server. */
export function hadTooLittleTime(
  method: MethodGuard,
  { entry, givenMs }: Pick<EndedCall, 'entry' | 'givenMs'>,
): boolean {
  return givenMs < method.settings.minimumDeadlineOf(entry.usualLatency.ms);
}
