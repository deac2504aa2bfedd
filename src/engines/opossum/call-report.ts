import type { Outcome } from '../../classify/outcome.js';

/** The facts of a finished call for opossum. Its listeners get them too: `fire` among the arguments, `success` as the result. */
export interface CallReport {
  readonly outcome: Exclude<Outcome, 'ignored'>;
  readonly durationMs: number;
}

/** The report of a call that counts against the server. Listeners of `failure` get it as the error. */
export class FailedCall extends Error implements CallReport {
  override readonly name = 'FailedCall';
  readonly outcome: 'failure' | 'overload';
  readonly durationMs: number;

  constructor(outcome: 'failure' | 'overload', durationMs: number, message: string) {
    super(message);
    this.outcome = outcome;
    this.durationMs = durationMs;
  }
}

/** The report of an outcome. A duration that is not a positive number counts as 0. */
export function reportOf(outcome: CallReport['outcome'], durationMs: number): CallReport {
  const tookMs = Math.max(0, durationMs) || 0;
  return outcome === 'failure' || outcome === 'overload'
    ? new FailedCall(outcome, tookMs, `a call ended as ${outcome}`)
    : { outcome, durationMs: tookMs };
}

/** An error like opossum's own, for the events that the adapter emits in opossum's place. */
export function codedError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
