import type { Probes } from './probes.js';
import type { Ramp } from './ramp.js';

/** The state of a circuit. Each variant has only its own data. All times are by the monotonic clock. */
export type State =
  | { readonly name: 'closed'; readonly sinceMs: number }
  | {
      readonly name: 'open';
      readonly sinceMs: number;
      readonly untilMs: number;
      /** The original end of the open time, if a readiness check has moved `untilMs`. */
      readonly dueMs?: number;
      /** Whether a readiness check found the server ready. */
      readonly isReady?: boolean;
      /** For this long after `untilMs`, only synthetic probes are admitted. */
      readonly reservedMs?: number;
    }
  | { readonly name: 'half-open'; readonly sinceMs: number; readonly probes: Probes }
  | {
      readonly name: 'recovering';
      readonly sinceMs: number;
      readonly ramp: Ramp;
      /** Whether a readiness check before the probe found the server ready. */
      readonly isReady?: boolean;
    };
