import type { Call } from './call.js';
import type { RejectedBy } from './permits.js';

/** Reports that a circuit rejected a call. */
export function reportRejection({ method }: Pick<Call, 'method'>, { entry, rejection }: RejectedBy): void {
  const { events, clock, path } = method;
  if (!events.hasListeners('rejected')) return;
  const { reason, retryAfterMs } = rejection;
  events.emit('rejected', {
    method: path,
    circuitKey: entry.key,
    reason,
    retryAfterMs,
    atMs: clock.epochMs(),
  });
}
