import type { Clock } from '../clock.js';
import type { CircuitListener } from '../telemetry/events.js';

/** The services that a circuit uses. */
export interface CircuitEnvironment {
  /** The source of time. */
  readonly clock: Clock;
  /** Uniform in [0, 1); seeded in tests. */
  readonly random: () => number;
  /** Called with the events of the circuit. */
  readonly listener: CircuitListener;
  /**
   * Reports an error of a user's function (a listener on an engine's own breaker, for example).
   * @param about the circuit's key
   */
  report?(error: unknown, source: string, about: string): void;
}
