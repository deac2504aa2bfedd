import type { CircuitEnvironment } from './environment.js';
import type { Circuit, CircuitStateName } from './types.js';

/** The state that a machine has entered. */
export interface Entered {
  readonly name: CircuitStateName;
  readonly sinceMs: number;
  /** The end of an open state. */
  readonly untilMs?: number;
}

/** The parts of a circuit that the event of its transition needs. */
interface ChangedCircuit extends Pick<Circuit, 'key' | 'mode'> {
  readonly environment: CircuitEnvironment;
  aheadMs(nowMs: number): number;
}

/** Calls the circuit's listener with the event of a transition. */
export function reportTransition(
  circuit: ChangedCircuit,
  from: CircuitStateName,
  { name, sinceMs, untilMs }: Entered,
  reason: string,
  openings: number,
): void {
  const { clock, listener } = circuit.environment;
  listener.transition({
    circuitKey: circuit.key,
    from,
    to: name,
    reason,
    atMs: sinceMs + circuit.aheadMs(clock.now()),
    openings,
    ...(untilMs !== undefined && { openForMs: untilMs - sinceMs }),
    mode: circuit.mode,
  });
}
