import { type StatusObject, status } from '@grpc/grpc-js';
import { isTimeout } from '../../abort-reason.js';
import { isUnhealthy, type Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import { expiredStatus } from '../../status/expired-status.js';
import type { Warnings } from '../../telemetry/warnings.js';
import { newOkStatus, OK_STATUS } from '../call.js';
import { failedCause } from '../record-end.js';
import { askUntilGone } from './ask-until-gone.js';
import type { CallAnswer, GuardCallOptions, PrimaryContext } from './call-types.js';
import type { NeutralCall } from './neutral-call.js';
import type { FallbackResult } from './open-call.js';
import { type Ended, PrimaryRun, type RunCall } from './primary-run.js';
import { errorOfStatus, outcomeOfThrown, statusOfThrown } from './thrown-status.js';

export type Next<Req, Res> = (context: PrimaryContext<Req>) => Res | PromiseLike<Res>;

/** Runs an admitted or rejected call whose answer is one value. */
export async function runUnary<Req, Res>(
  call: NeutralCall,
  request: Req,
  next: Next<Req, Res>,
  options: GuardCallOptions,
): Promise<CallAnswer<Res>> {
  if (call.rejection !== undefined) return answerRejected<Res>(call, options);
  const run = new PrimaryRun(call, request, options.signal);
  const ended = await run.wait(() => next(run));
  run.release();
  if (ended.by !== 'value') return answerFailed<Res>(call, ended, options);
  const { value } = ended;
  const messageOutcome = call.judgeMessage(value);
  const outcome = call.conclude(OK_STATUS, messageOutcome);
  if (outcome === 'success') call.keep(value, run.headers, run.sent);
  else if (isUnhealthy(outcome) && call.isReplaceable) {
    const result = await ask(call, failedCause(outcome, newOkStatus()), options);
    if (result.answer !== undefined) return typed<Res>(result.answer);
  }
  call.gaveOwn(outcome, status.OK);
  return { ...run.provenance, response: value, label: undefined };
}

async function answerRejected<Res>(call: NeutralCall, options: GuardCallOptions): Promise<CallAnswer<Res>> {
  const result = await ask(call, call.rejectedCause(), options);
  if (result.answer !== undefined) return typed<Res>(result.answer);
  throw rejectedError(call, result, options);
}

export function rejectedError(call: NeutralCall, result: FallbackResult, options: GuardCallOptions): unknown {
  if (hasGone(options)) {
    call.left(call.rejectedCause());
    return options.signal?.reason;
  }
  return errorOfStatus(
    options,
    call.rejectedStatus(result),
    (error) => reportPort(call, error),
    call.rejection,
  );
}

/** A fallback's answer, or the error of a real call that failed. */
async function answerFailed<Res>(
  call: NeutralCall,
  ended: Exclude<Ended<unknown>, { by: 'value' }>,
  options: GuardCallOptions,
): Promise<CallAnswer<Res>> {
  const failed = concludeFailed(call, ended, options);
  if (failed.cause !== undefined) {
    const result = await ask(call, failed.cause, options);
    if (result.answer !== undefined) return typed<Res>(result.answer);
  }
  throw errorToGive(call, failed, options);
}

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
function hasGone({ signal }: GuardCallOptions): boolean {
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

/** Asks the chain of a unary call, until the caller goes. */
function ask(call: NeutralCall, cause: Cause, { signal }: GuardCallOptions): Promise<FallbackResult> {
  return askUntilGone(call, cause, signal, () => {});
}

export function reportPort(call: NeutralCall, error: unknown): void {
  call.method.events.warnings.report(error, `the port of ${call.method.path}`);
}

/** The compiler has checked the type of the answers where the chain was registered. */
function typed<Res>(answer: CallAnswer<unknown>): CallAnswer<Res> {
  return answer as CallAnswer<Res>;
}

/** Runs a call that is not guarded: only the deadline and the signal are enforced. */
export async function runUnguarded<Req, Res>(
  call: RunCall,
  request: Req,
  next: Next<Req, Res>,
  options: GuardCallOptions,
  warnings: Warnings,
): Promise<CallAnswer<Res>> {
  const run = new PrimaryRun(call, request, options.signal);
  const ended = await run.wait(() => next(run));
  run.release();
  if (ended.by === 'value') return { ...run.provenance, response: ended.value, label: undefined };
  throw errorOfUnguarded(ended, options, warnings);
}

export function errorOfUnguarded(
  ended: Exclude<Ended<unknown>, { by: 'value' }>,
  options: GuardCallOptions,
  warnings: Warnings,
): unknown {
  if (ended.by === 'error') return ended.error;
  if (ended.by === 'caller') return ended.reason;
  const details = ended.by === 'limit' ? ended.details : '';
  return errorOfStatus(options, expiredStatus(details), (error) =>
    warnings.report(error, 'the port of a call'),
  );
}
