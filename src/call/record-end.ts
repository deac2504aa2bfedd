import { status } from '@grpc/grpc-js';
import type { Rejection } from '../circuit/types.js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Cause } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import { NO_SOURCE } from '../telemetry/answers.js';
import type { CallEvent } from '../telemetry/events.js';
import type { Call } from './call.js';

/** The parts of a call that its observers are informed of. */
export type ObservableCall = Pick<Call, 'method' | 'observed'>;

// Each admitted or rejected call ends in one of these functions: the place where answers are counted, and observers are informed.

/** The caller gets the primary's own answer or error. */
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

/** The caller gets a fallback's answer. */
export function recordFallbackAnswer(call: ObservableCall, entry: Entry, source: string, cause: Cause): void {
  entry.answers.answered(source, cause.kind);
  informObservers(call, entry, { outcome: outcomeOf(cause), status: status.OK, source, cause: cause.kind });
}

/** The caller gets an error, because no fallback answered. */
export function recordNoAnswer(call: ObservableCall, entry: Entry, cause: Cause, code: status): void {
  entry.answers.unanswered(cause.kind);
  informObservers(call, entry, {
    outcome: outcomeOf(cause),
    status: code,
    source: NO_SOURCE,
    cause: cause.kind,
  });
}

/** The caller has gone while the call had no real call, or waited for a fallback. */
export function recordCancelled(call: ObservableCall, entry: Entry, cause: Cause, code: status): void {
  informObservers(call, entry, {
    outcome: outcomeOf(cause),
    status: code,
    source: NO_SOURCE,
    cause: cause.kind,
  });
}

/** A rejection as the cause for a fallback. */
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
