import type { Clock } from '../clock.js';
import type { CircuitListener } from '../telemetry/events.js';

/** What a circuit is made with beside its options. */
export interface CircuitEnvironment {
  /** Tells the time. */
  readonly clock: Clock;
  /** Uniform in [0, 1); seeded in tests. */
  readonly random: () => number;
  /** Gets the events of the circuit. */
  readonly listener: CircuitListener;
}
