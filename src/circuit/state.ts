import type { Probes } from './probes.js';
import type { Ramp } from './ramp.js';

/** The state of a circuit; each variant has only its own data. All times are of the monotonic clock. */
export type State =
  | { readonly name: 'closed'; readonly sinceMs: number }
  | {
      readonly name: 'open';
      readonly sinceMs: number;
      readonly untilMs: number;
      /** The end of its own time, if a readiness check has moved `untilMs`. */
      readonly dueMs?: number;
      /** Whether a check said that the server is ready. */
      readonly isReady?: boolean;
      /** For so long after `untilMs`, only synthetic probes go out. */
      readonly reservedMs?: number;
    }
  | { readonly name: 'half-open'; readonly sinceMs: number; readonly probes: Probes }
  | {
      readonly name: 'recovering';
      readonly sinceMs: number;
      readonly ramp: Ramp;
      /** Whether a check said before the probe that the server is ready. */
      readonly isReady?: boolean;
    };
