import type { Cause } from '../../fallback/strategy.js';
import type { OnCancel } from './ask-for-call.js';
import { followSignal } from './follow-signal.js';
import type { FallbackResult, OpenCall } from './open-call.js';

/**
 * Asks the chain of a call, until the caller's signal aborts. If it has aborted already, because the caller's time is over, an
 * answer still counts that is there in this turn of the event loop.
 * @param onCancel see `OpenCall.fallBack()`
 */
export async function askUntilGone(
  call: Pick<OpenCall, 'fallBack'>,
  cause: Cause,
  signal: AbortSignal | undefined,
  onCancel: OnCancel,
): Promise<FallbackResult> {
  let cancel: (() => void) | undefined;
  const asked = call.fallBack(cause, (given) => {
    cancel = given;
    onCancel(given);
  });
  if (signal === undefined) return asked;
  const stop = () => cancel?.();
  if (signal.aborted) return inThisTurn(asked, stop);
  const unfollow = followSignal(signal, stop);
  try {
    return await asked;
  } finally {
    unfollow();
  }
}

/** Cancels the run of a chain that has no answer at the end of this turn of the event loop. */
export async function inThisTurn(
  asked: Promise<FallbackResult>,
  cancel: () => void,
): Promise<FallbackResult> {
  let isPending = true;
  setImmediate(() => {
    if (isPending) cancel();
  });
  try {
    return await asked;
  } finally {
    isPending = false;
  }
}
