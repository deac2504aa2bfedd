import { type InterceptorOptions, status } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { Entry } from '../guard/circuit-registry.js';
import { deadlineOf, likeDeadline, reserveOf, setDeadline } from './budget.js';
import type { Call } from './call.js';
import { keyPartOf } from './call-key.js';
import { fallBackRejected } from './fallback.js';
import { markGuarded } from './guarded-mark.js';
import { OVER } from './over.js';
import { Permits, type RejectedBy } from './permits.js';
import { Primary } from './primary.js';
import { reportRejection } from './rejected-event.js';
import { reject } from './rejecting.js';
import { ReplaceablePrimary } from './replaceable-primary.js';
import { SentMessages } from './sent-messages.js';

/**
 * Admits or rejects a call: sets its deadline, finds its circuit by its key, acquires its permits. The permits come last, because
 * nothing that can throw may stand between them and the `try` of {@link callPrimary}.
 * @throws the next interceptor's error, as without a guard
 */
export function admit(call: Call): void {
  const { stage } = call;
  const budgetMs = setDeadline(call);
  const entry = call.method.line.get(keyPartOf(call));
  if (call.chain?.readsCall === true) call.sent = sentMessagesOf(call);
  const permits = Permits.acquire(call, entry);
  if (call.stage !== stage) endCancelled(call, permits);
  else if (permits instanceof Permits) callPrimary(call, entry, permits, budgetMs);
  else refuse(call, entry, permits);
}

/** Ends a call that was cancelled while it was admitted: by a listener of an event, or by a key function. */
function endCancelled(call: Call, permits: Permits | RejectedBy): void {
  if (permits instanceof Permits) permits.settle('ignored', status.CANCELLED, 0, 0);
  call.stage.start?.(call); // a call that was cancelled before its start gets its status from its start on
}

function refuse(call: Call, entry: Entry, by: RejectedBy): void {
  if (call.chain?.serves('rejected') === true) fallBackRejected(call, entry, by);
  else reject(call, entry, by);
  reportRejection(call, by); // last: a listener may cancel the call
}

function sentMessagesOf({ options, method }: Call): SentMessages {
  const { requestStream, requestSerialize } = options.method_definition;
  const limitBytes = requestStream ? method.settings.fallbackBufferBytes : Number.POSITIVE_INFINITY;
  return new SentMessages(requestSerialize, limitBytes);
}

/** Makes and starts the real call. If an interceptor behind the guard throws, the call ends and the permits are given back. */
function callPrimary(call: Call, entry: Entry, permits: Permits, budgetMs: number): void {
  try {
    const reserveMs = reserveOf(call, budgetMs, entry.usualLatency.ms);
    const { responseStream } = call.options.method_definition;
    // A running stream can no longer be replaced by a fallback, so it keeps the whole deadline.
    const real = call.makeReal(optionsBelow(call, call.deadlineMs - (responseStream ? 0 : reserveMs)));
    call.real = real;
    const primary = new Primary(call, real, entry, permits, budgetMs, reserveMs);
    const { chain } = call;
    call.stage =
      chain !== undefined && isReplaceable(call, chain) ? new ReplaceablePrimary(primary, chain) : primary;
    primary.start(call);
  } catch (error) {
    call.stage = OVER;
    permits.settle('ignored', status.CANCELLED, 0, 0);
    throw error;
  }
}

function isReplaceable(call: Call, chain: FallbackChain): boolean {
  return chain.serves('failed') || (call.method.settings.softDeadline !== undefined && chain.serves('slow'));
}

/** A copy of the options, because an interceptor before the guard may make another call with the same object. */
function optionsBelow(call: Call, deadlineMs: number): InterceptorOptions {
  const { options } = call;
  const below = markGuarded(options, call.method.mark);
  // in the common case, without a reserve and a default deadline, the caller's own deadline stays
  if (options.deadline !== deadlineMs && deadlineMs !== deadlineOf(options))
    below.deadline = likeDeadline(options.deadline, deadlineMs);
  return below;
}
