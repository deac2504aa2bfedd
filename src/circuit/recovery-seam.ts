import type { Machine } from './machine.js';
import type { Circuit, CircuitRecovery, Opening, Permit } from './types.js';

/** A machine whose open time can be moved. These methods make no call. */
export interface MovableMachine extends Machine {
  openUntilMs(): number | undefined;
  ready(): void;
  notReady(untilMs: number, maxHoldMs: number): void;
  reserveProbes(forMs: number): void;
  acquireProbe(reserveMs: number): Permit | undefined;
}

export function canBeMoved(machine: Machine): machine is MovableMachine {
  return 'openUntilMs' in machine;
}

type Generations = Pick<Circuit, 'mode' | 'isolated'> & { readonly generation: number };

/** Moves the open time of a circuit, but only for the generation that the caller means. Made on demand: few circuits need it. */
export class RecoverySeam implements CircuitRecovery {
  readonly #circuit: Generations;
  readonly #machine: MovableMachine;

  constructor(circuit: Generations, machine: MovableMachine) {
    this.#circuit = circuit;
    this.#machine = machine;
  }

  opening(): Opening | undefined {
    const untilMs = this.#machine.openUntilMs();
    return untilMs === undefined ? undefined : { generation: this.#circuit.generation, untilMs };
  }

  ready(generation: number): void {
    if (generation === this.#circuit.generation) this.#machine.ready();
  }

  notReady(generation: number, untilMs: number, maxHoldMs: number): void {
    if (generation === this.#circuit.generation) this.#machine.notReady(untilMs, maxHoldMs);
  }

  reserveProbes(generation: number, forMs: number): void {
    if (generation === this.#circuit.generation) this.#machine.reserveProbes(forMs);
  }

  acquireProbe(reserveMs: number): Permit | undefined {
    const { mode, isolated } = this.#circuit;
    return mode === 'off' || isolated > 0 ? undefined : this.#machine.acquireProbe(reserveMs);
  }
}
