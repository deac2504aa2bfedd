import type { Outcome } from '../classify/outcome.js';
import type { Circumstances } from './circumstances.js';
import type { Permit } from './types.js';

/** The circuit that a permit is given back to. */
export interface PermitOwner {
  settled(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    circumstances: Circumstances | undefined,
  ): void;
}

/** The one object that an admitted call costs. */
export class CircuitPermit implements Permit {
  readonly generation: number;
  readonly probe: boolean;
  /** Stands in for a rejection that the mode did not allow: it counts in flight and nowhere else. */
  readonly shadow: boolean;
  /** Its place among the permits of its circuit: a later permit has a higher number. */
  readonly number: number;
  #owner: PermitOwner | undefined;

  constructor(owner: PermitOwner, generation: number, probe: boolean, shadow: boolean, number: number) {
    this.#owner = owner;
    this.generation = generation;
    this.probe = probe;
    this.shadow = shadow;
    this.number = number;
  }

  get admitted(): true {
    return true;
  }

  settle(
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs?: number,
    circumstances?: Circumstances,
  ): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    owner.settled(this, outcome, durationMs, pushbackMs, circumstances);
  }

  withdraw(): void {
    this.settle('ignored', 0);
  }
}

/** The permit of every call while the mode is `off`. */
export const UNRECORDED: Permit = Object.freeze({
  admitted: true,
  generation: 0,
  probe: false,
  settle: () => {},
  withdraw: () => {},
});
