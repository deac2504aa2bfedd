import type { Answer, Cause } from '../fallback/strategy.js';
import { ageOf, causeText } from '../status/provenance.js';
import type { MethodGuard } from './method-guard.js';

/** Reports that a fallback answered a call. */
export function emitDegraded(
  { path, clock, events }: MethodGuard,
  circuitKey: string,
  answer: Answer<unknown>,
  cause: Cause,
): void {
  if (!events.hasListeners('degraded')) return;
  events.emit('degraded', {
    method: path,
    circuitKey,
    source: answer.source,
    cause: causeText(cause),
    ageMs: ageOf(answer),
    atMs: clock.epochMs(),
  });
}
