import { expiredStatus } from '../../status/expired-status.js';
import type { Warnings } from '../../telemetry/warnings.js';
import type { CallAnswer, GuardCallOptions, PrimaryContext } from './call-types.js';
import { hasGone, reportPort } from './failed-end.js';
import type { NeutralCall } from './neutral-call.js';
import type { FallbackResult } from './open-call.js';
import { type Ended, PrimaryRun, type RunCall } from './primary-run.js';
import { mayBeSlow, SlowUnary } from './slow-unary.js';
import { errorOfStatus } from './thrown-status.js';
import { askForUnary, concludeUnary, giveEnd, typed } from './unary-end.js';

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
  const primary = run.wait(() => next(run));
  if (mayBeSlow(call)) return new SlowUnary(call, run, primary, options).answer();
  return giveEnd(call, run, concludeUnary(call, run, await primary, options), options);
}

async function answerRejected<Res>(call: NeutralCall, options: GuardCallOptions): Promise<CallAnswer<Res>> {
  const result = await askForUnary(call, call.rejectedCause(), options);
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
