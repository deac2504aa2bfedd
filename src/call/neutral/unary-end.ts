import { status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { newOkStatus, OK_STATUS } from '../call.js';
import { failedCause } from '../record-end.js';
import { askUntilGone } from './ask-until-gone.js';
import type { CallAnswer, GuardCallOptions } from './call-types.js';
import { concludeFailed, errorToGive, type Failed } from './failed-end.js';
import type { NeutralCall } from './neutral-call.js';
import type { FallbackResult } from './open-call.js';
import type { Ended, PrimaryRun } from './primary-run.js';

/** The end of a unary call's real call, whose permits are settled. */
export type UnaryEnd<Res> =
  | {
      readonly by: 'value';
      readonly value: Res;
      readonly outcome: Outcome;
      readonly cause: Cause | undefined;
    }
  | { readonly by: 'failure'; readonly failed: Failed };

/** Frees and settles the real call of a unary call, which is over, and keeps a good answer. */
export function concludeUnary<Res>(
  call: NeutralCall,
  run: PrimaryRun<unknown>,
  ended: Ended<Res>,
  options: GuardCallOptions,
): UnaryEnd<Res> {
  run.release();
  if (ended.by !== 'value') return { by: 'failure', failed: concludeFailed(call, ended, options) };
  const { value } = ended;
  const messageOutcome = call.judgeMessage(value);
  const outcome = call.conclude(OK_STATUS, messageOutcome);
  if (outcome === 'success') call.keep(value, run.headers, run.sent);
  const isReplaced = isUnhealthy(outcome) && call.isReplaceable;
  return { by: 'value', value, outcome, cause: isReplaced ? failedCause(outcome, newOkStatus()) : undefined };
}

/** Gives the caller the answer or the error of the real call; or a fallback's answer in its place, if it is bad. */
export async function giveEnd<Res>(
  call: NeutralCall,
  run: PrimaryRun<unknown>,
  end: UnaryEnd<Res>,
  options: GuardCallOptions,
): Promise<CallAnswer<Res>> {
  const { cause } = end.by === 'value' ? end : end.failed;
  if (cause !== undefined) {
    const { answer } = await askForUnary(call, cause, options);
    if (answer !== undefined) return typed<Res>(answer);
  }
  if (end.by === 'failure') throw errorToGive(call, end.failed, options);
  call.gaveOwn(end.outcome, status.OK);
  return { ...run.provenance, response: end.value, label: undefined };
}

/** Asks the chain of a unary call, until the caller goes. */
export function askForUnary(
  call: NeutralCall,
  cause: Cause,
  { signal }: GuardCallOptions,
): Promise<FallbackResult> {
  return askUntilGone(call, cause, signal, () => {});
}

/** The compiler has checked the type of the answers where the chain was registered. */
export function typed<Res>(answer: CallAnswer<unknown>): CallAnswer<Res> {
  return answer as CallAnswer<Res>;
}
