import type { Outcome } from '../classify/outcome.js';
import type { Circumstances } from './circumstances.js';
import type { Permit } from './types.js';

/** The circuit that issued a permit. */
export interface PermitOwner {
  settled(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number | undefined,
    pushbackMs: number | undefined,
    circumstances: Circumstances | undefined,
  ): void;
}

/**
 * The kind of a permit: `shadow` for a call that would be rejected in the mode `enforce`. Such a permit counts as in flight and
 * nowhere else.
 */
export type PermitKind = 'call' | 'probe' | 'shadow';

/** The only object that is made for an admitted call. It has few fields, because each one is memory that every call takes. */
export class CircuitPermit implements Permit {
  readonly generation: number;
  readonly kind: PermitKind;
  /** The permits of a circuit are numbered in the order of their issue. */
  readonly number: number;
  /** With `#`, so that a permit which is logged or serialized does not show the whole circuit. */
  #owner: PermitOwner | undefined;

  constructor(owner: PermitOwner, generation: number, kind: PermitKind, number: number) {
    this.#owner = owner;
    this.generation = generation;
    this.kind = kind;
    this.number = number;
  }

  get admitted(): true {
    return true;
  }

  get probe(): boolean {
    return this.kind === 'probe';
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
