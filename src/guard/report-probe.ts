import type { Clock } from '../clock.js';
import type { Emitter } from '../telemetry/emitter.js';
import type { GuardEvents, ProbeEvent } from '../telemetry/events.js';
import type { Entry } from './circuit-line.js';

/** Counts a probe or a readiness check that has ended, and emits its event. */
export function reportProbe(
  events: Emitter<GuardEvents>,
  clock: Clock,
  { key, counts }: Entry,
  probe: Pick<ProbeEvent, 'kind' | 'outcome' | 'durationMs'>,
): void {
  counts.probed(probe);
  if (events.hasListeners('probe'))
    events.emit('probe', { circuitKey: key, ...probe, atMs: clock.epochMs() });
}
