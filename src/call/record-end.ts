import { type StatusObject, status } from '@grpc/grpc-js';
import type { Rejection } from '../circuit/types.js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Cause } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import { NO_SOURCE } from '../telemetry/answers.js';
import type { CallEvent } from '../telemetry/events.js';
import type { Call } from './call.js';

/** The parts of a call that the record of its end needs. */
export type ObservableCall = Pick<Call, 'method' | 'observed'>;

// Every admitted or rejected call that ends passes through one of these functions, which count the answer and inform the observers.

/** Records that the caller gets the primary's own answer or error. */
export function recordPrimaryEnd(call: ObservableCall, entry: Entry, outcome: Outcome, code: status): void {
  if (code === status.OK) {
    entry.answers.primary += 1;
    if (call.observed !== undefined)
      informObservers(call, entry, { outcome, status: code, source: 'primary', cause: null });
    return;
  }
  const cause = isUnhealthy(outcome) ? 'failed' : null;
  const isCancelled = outcome === 'ignored' && code === status.CANCELLED;
  if (!isCancelled) entry.answers.unanswered(cause);
  informObservers(call, entry, { outcome, status: code, source: NO_SOURCE, cause });
}

/** Records that the caller gets a fallback's answer. */
export function recordFallbackAnswer(call: ObservableCall, entry: Entry, source: string, cause: Cause): void {
  entry.answers.answered(source, cause.kind);
  informObservers(call, entry, { outcome: outcomeOf(cause), status: status.OK, source, cause: cause.kind });
}

/** Records that the caller gets an error, because no fallback answered. */
export function recordNoAnswer(call: ObservableCall, entry: Entry, cause: Cause, code: status): void {
  entry.answers.unanswered(cause.kind);
  informObservers(call, entry, {
    outcome: outcomeOf(cause),
    status: code,
    source: NO_SOURCE,
    cause: cause.kind,
  });
}

/** Records that the caller has gone while the call waited for a fallback, or for the status of a rejection. */
export function recordCancelled(call: ObservableCall, entry: Entry, cause: Cause, code: status): void {
  informObservers(call, entry, {
    outcome: outcomeOf(cause),
    status: code,
    source: NO_SOURCE,
    cause: cause.kind,
  });
}

/** The cause of a failed call's fallback. */
export function failedCause(outcome: Outcome, received: StatusObject): Cause {
  return { kind: 'failed', outcome, status: received };
}

/** The cause of a rejected call's fallback. */
export function causeOf({ reason, retryAfterMs }: Rejection): Cause {
  return { kind: 'rejected', reason, retryAfterMs };
}

function outcomeOf(cause: Cause): CallEvent['outcome'] {
  return cause.kind === 'failed' ? cause.outcome : cause.kind;
}

function informObservers(
  call: ObservableCall,
  entry: Entry,
  end: Pick<CallEvent, 'outcome' | 'status' | 'source' | 'cause'>,
): void {
  const { observed } = call;
  if (observed === undefined) return;
  const { clock, path } = call.method;
  observed.ended({
    method: path,
    circuitKey: entry.key,
    ...end,
    durationMs: clock.now() - observed.startedAtMs,
    atMs: clock.epochMs(),
  });
}
