import { type InterceptorOptions, status } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { Entry } from '../guard/circuit-registry.js';
import { ADMITTING, type Cancellation, Interrupted } from './admitting.js';
import { deadlineOf, likeDeadline, reserveOf, setDeadline } from './budget.js';
import type { Call } from './call.js';
import { keyPartOf } from './call-key.js';
import { fallBackRejected } from './fallback.js';
import { markGuarded } from './guarded-mark.js';
import { endLater, OVER } from './over.js';
import { Permits, type RejectedBy } from './permits.js';
import { Primary } from './primary.js';
import { recordPrimaryEnd } from './record-end.js';
import { reportRejection } from './rejected-event.js';
import { reject } from './rejecting.js';
import { ReplaceablePrimary } from './replaceable-primary.js';
import { SentMessages } from './sent-messages.js';

/**
 * Admits or rejects a call: sets its deadline, finds its circuit by its key, acquires its permits. The permits come last, because
 * nothing that can throw may stand between them and the `try` of {@link callPrimary}.
 * @returns what was done with the call meanwhile, to be replayed; undefined if nothing was done
 * @throws the next interceptor's error, as without a guard; the call is then over
 */
export function admit(call: Call): Interrupted | undefined {
  call.stage = ADMITTING;
  try {
    const budgetMs = setDeadline(call);
    const entry = call.method.line.get(keyPartOf(call));
    if (call.chain?.readsCall === true) call.sent = sentMessagesOf(call);
    const permits = Permits.acquire(call, entry);
    if (!(permits instanceof Permits)) return refuse(call, entry, permits);
    const interrupted = interruptedOf(call);
    if (interrupted?.cancellation !== undefined) {
      endCancelled(call, entry, permits, interrupted.cancellation);
      return interrupted;
    }
    return callPrimary(call, entry, permits, budgetMs);
  } catch (error) {
    call.stage = OVER;
    throw error;
  }
}

function interruptedOf({ stage }: Call): Interrupted | undefined {
  if (stage === ADMITTING) return undefined; // nearly always, and cheaper than the class
  return stage instanceof Interrupted ? stage : undefined;
}

/** Ends an admitted call that was cancelled before its real call was made. */
function endCancelled(call: Call, entry: Entry, permits: Permits, { code, details }: Cancellation): void {
  permits.settle('ignored', status.CANCELLED, 0, 0);
  endLater(call, code, details);
  recordPrimaryEnd(call, entry, 'ignored', status.CANCELLED);
}

function refuse(call: Call, entry: Entry, by: RejectedBy): Interrupted | undefined {
  const interrupted = interruptedOf(call);
  if (call.chain?.serves('rejected') === true) fallBackRejected(call, entry, by);
  else reject(call, entry, by);
  interrupted?.cancelNow(call);
  reportRejection(call, by); // last: a listener may cancel the call
  return interrupted;
}

function sentMessagesOf({ options, method }: Call): SentMessages {
  const { requestStream, requestSerialize } = options.method_definition;
  const limitBytes = requestStream ? method.settings.fallbackBufferBytes : Number.POSITIVE_INFINITY;
  return new SentMessages(requestSerialize, limitBytes);
}

/** Makes and starts the real call. If an interceptor behind the guard throws, the permits are given back. */
function callPrimary(call: Call, entry: Entry, permits: Permits, budgetMs: number): Interrupted | undefined {
  try {
    const reserveMs = reserveOf(call, budgetMs, entry.usualLatency.ms);
    const { responseStream } = call.options.method_definition;
    // A running stream can no longer be replaced by a fallback, so it keeps the whole deadline.
    const real = call.makeReal(optionsBelow(call, call.deadlineMs - (responseStream ? 0 : reserveMs)));
    call.real = real;
    const primary = new Primary(call, real, entry, permits, budgetMs, reserveMs);
    const { chain } = call;
    const interrupted = interruptedOf(call);
    call.stage =
      chain !== undefined && isReplaceable(call, chain) ? new ReplaceablePrimary(primary, chain) : primary;
    primary.start(call);
    interrupted?.cancelNow(call);
    return interrupted;
  } catch (error) {
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
