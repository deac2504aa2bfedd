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
  let isPending = true;
  const stop = () => {
    if (isPending) cancel?.();
  };
  const unfollow = signal.aborted ? undefined : followSignal(signal, stop);
  if (signal.aborted) setImmediate(stop);
  try {
    return await asked;
  } finally {
    isPending = false;
    unfollow?.();
  }
}
