import { type StatusObject, status } from '@grpc/grpc-js';
import { isTimeout } from '../../abort-reason.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { expiredStatus } from '../../status/expired-status.js';
import { failedCause } from '../record-end.js';
import type { GuardCallOptions } from './call-types.js';
import type { NeutralCall } from './neutral-call.js';
import type { Ended } from './primary-run.js';
import { errorOfStatus, outcomeOfThrown, statusOfThrown } from './thrown-status.js';

/** The error of a failed call that no fallback answered. Records the end of the call. */
export function errorToGive(call: NeutralCall, failed: Failed, options: GuardCallOptions): unknown {
  const { cause, ended, error } = failed;
  if (cause !== undefined && hasGone(options)) {
    call.left(cause);
    return options.signal?.reason;
  }
  call.gaveOwn(ended.outcome, ended.code);
  return error;
}

/** Whether the caller has cancelled the call. A caller whose time is over has not. */
export function hasGone({ signal }: GuardCallOptions): boolean {
  return signal?.aborted === true && !isTimeout(signal.reason);
}

/** A failed real call: the caller's error, and the cause for fallbacks; undefined if no fallback may answer. */
export interface Failed {
  readonly error: unknown;
  readonly cause: Cause | undefined;
  readonly ended: { readonly outcome: Outcome; readonly code: status };
}

/** Settles the permits of a real call that failed, or that its caller has left. */
export function concludeFailed(
  call: NeutralCall,
  ended: Exclude<Ended<unknown>, { by: 'value' }>,
  options: GuardCallOptions,
  waitedMs = call.elapsedMs,
): Failed {
  if (ended.by === 'left' || (ended.by === 'caller' && !isTimeout(ended.reason))) {
    call.settle('ignored', 0, status.CANCELLED);
    const error = ended.by === 'left' ? undefined : ended.reason;
    return { error, cause: undefined, ended: { outcome: 'ignored', code: status.CANCELLED } };
  }
  const report = (error: unknown) => reportPort(call, error);
  if (ended.by === 'error') {
    const received = statusOfThrown(options, ended.error, report);
    return failed(call, ended.error, received, waitedMs, outcomeOfThrown(options, ended.error, report));
  }
  const details = ended.by === 'limit' ? ended.details : "failsoft: the caller's time is over";
  if (ended.by === 'caller') call.hadOnly(call.elapsedMs);
  const received = expiredStatus(details);
  const error = ended.by === 'caller' ? ended.reason : errorOfStatus(options, received, report);
  return failed(call, error, received, waitedMs);
}

function failed(
  call: NeutralCall,
  error: unknown,
  received: StatusObject,
  waitedMs: number,
  known?: Outcome,
): Failed {
  const outcome = call.conclude(received, known, waitedMs);
  const cause = isUnhealthy(outcome) && call.isReplaceable ? failedCause(outcome, received) : undefined;
  return { error, cause, ended: { outcome, code: received.code } };
}

export function reportPort(call: NeutralCall, error: unknown): void {
  call.method.events.warnings.report(error, `the port of ${call.method.path}`);
}
