import { type StatusObject, status } from '@grpc/grpc-js';
import type { CallAnswer } from '../../call/neutral/call-types.js';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import { commonStatusOf } from '../../call/neutral/thrown-status.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { codeOfHttpStatus } from '../../status/http-status.js';
import { type EndedBy, expired } from './good-body.js';
import { trailersOf } from './headers.js';

/** The end of a real request that has no good response. Its permit is settled. */
export interface Ended {
  readonly outcome: Outcome;
  readonly received: StatusObject;
}

/** Ends a call whose caller went while the real request ran. */
export function leave(call: OpenCall): void {
  call.settle('ignored', 0);
  call.gaveOwn('ignored', status.CANCELLED);
}

/**
 * Settles a request whose response did not come.
 * @param endedBy the side that ended it early; never the caller, for which see {@link leave}
 * @param known the outcome, where the error shows it: `ignored` for a request that never left the process
 */
export function concludeError(call: OpenCall, error: unknown, endedBy: EndedBy, known?: Outcome): Ended {
  if (endedBy === 'time') call.hadOnly(call.elapsedMs);
  const received =
    endedBy === undefined ? commonStatusOf(error) : expired('the response did not come in time');
  return { outcome: call.conclude(received, known), received };
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
  return { outcome: call.conclude(received, judged, waitedMs), received };
}

/** Whether a response counts as a failure of its request. */
export function isBad(httpStatus: number, judged: Outcome | undefined): boolean {
  return httpStatus >= 400 || (judged !== undefined && isUnhealthy(judged));
}

/** The cause for the chain; undefined where no fallback may answer. */
export function causeOfEnd(call: OpenCall, { outcome, received }: Ended): Cause | undefined {
  return isUnhealthy(outcome) && call.isReplaceable
    ? { kind: 'failed', outcome, status: received }
    : undefined;
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
 * Asks the chain. Never rejects.
 * @param make makes the response for the caller. Its error is reported, and the answer is then dropped
 */
export async function askChain<T>(
  call: OpenCall,
  cause: Cause,
  asker: Asker,
  make: (answer: CallAnswer<unknown>) => T,
): Promise<Replacement<T>> {
  const result = await call.fallBack(cause, (cancel) => {
    asker.cancelChain = cancel;
    if (asker.endedBy === 'caller') cancel();
  });
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
