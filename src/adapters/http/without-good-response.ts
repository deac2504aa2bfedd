import type { StatusObject } from '@grpc/grpc-js';
import { inThisTurn } from '../../call/neutral/ask-until-gone.js';
import type { CallAnswer } from '../../call/neutral/call-types.js';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import { commonStatusOf } from '../../call/neutral/thrown-status.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { expiredStatus } from '../../status/expired-status.js';
import { codeOfHttpStatus } from '../../status/http-status.js';
import type { EndedBy } from './early-end.js';
import { trailersOf } from './headers.js';

/** The end of a real request that has no good response. Its permit is settled. */
export interface Ended {
  /** The cause for the chain; undefined where no fallback may answer. */
  readonly cause: Cause | undefined;
  /** Records that the caller gets this end. */
  gaveOwn(): void;
}

/**
 * Settles a request whose response did not come.
 * @param endedBy the side that ended it early; never the caller, for which see `leave()`
 * @param isRefused whether the request never left the process, which is no evidence against the server
 */
export function concludeError(call: OpenCall, error: unknown, endedBy: EndedBy, isRefused: boolean): Ended {
  if (endedBy === 'time') call.hadOnly(call.elapsedMs);
  const received =
    endedBy === undefined ? commonStatusOf(error) : expiredStatus('the response did not come in time');
  return conclude(call, received, isRefused ? 'ignored' : undefined, call.elapsedMs);
}

/** The head of a response. */
export interface BadHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Iterable<[string, string]>;
}

/**
 * Settles a request with a bad response.
 * @param judged the outcome that the user's function gave
 * @param waitedMs how long the caller has waited for the response, in milliseconds
 */
export function concludeBad(
  call: OpenCall,
  { status: httpStatus, statusText, headers }: BadHead,
  judged: Outcome | undefined,
  waitedMs: number,
): Ended {
  const code = codeOfHttpStatus(httpStatus);
  const details = `HTTP ${httpStatus} ${statusText}`.trimEnd();
  const received = { code, details, metadata: trailersOf(headers, call.clock.epochMs()) };
  return conclude(call, received, judged, waitedMs);
}

function conclude(
  call: OpenCall,
  received: StatusObject,
  known: Outcome | undefined,
  waitedMs: number,
): Ended {
  const outcome = call.conclude(received, known, waitedMs);
  const isReplaceable = isUnhealthy(outcome) && call.isReplaceable;
  return {
    cause: isReplaceable ? { kind: 'failed', outcome, status: received } : undefined,
    gaveOwn: () => call.gaveOwn(outcome, received.code),
  };
}

/** The caller of a request, which may go while the chain is asked. */
export interface Asker {
  readonly endedBy: EndedBy;
  /** Ends the chain's run. */
  cancelChain: () => void;
}

/** How the chain's run ended. */
export type Replacement<T> =
  | { readonly by: 'answer'; readonly made: T }
  | { readonly by: 'nothing'; readonly result: FallbackResult }
  /** The caller has gone meanwhile; that is counted already. */
  | { readonly by: 'caller' };

/**
 * Asks the chain. For a caller whose time is over already, an answer counts that is there in this turn of the event loop. Never rejects.
 * @param make makes the response for the caller. Its error is reported, and the answer is then dropped
 */
export async function askChain<T>(
  call: OpenCall,
  cause: Cause,
  asker: Asker,
  make: (answer: CallAnswer<unknown>) => T,
): Promise<Replacement<T>> {
  const asked = call.fallBack(cause, (cancel) => {
    asker.cancelChain = cancel;
    if (asker.endedBy === 'caller') cancel();
  });
  const result = await (asker.endedBy === 'time' ? inThisTurn(asked, () => asker.cancelChain()) : asked);
  if (result.answer !== undefined) {
    try {
      return { by: 'answer', made: make(result.answer) };
    } catch (error) {
      call.report(error, `the response of ${result.answer.source}`);
    }
  }
  if (asker.endedBy !== 'caller') return { by: 'nothing', result };
  call.left(cause);
  return { by: 'caller' };
}
