import { status } from '@grpc/grpc-js';
import type { CircuitMode, Permit, Rejection } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';

/** A rejection and the circuit that it comes from. */
export interface RejectedBy {
  readonly entry: Entry;
  readonly rejection: Rejection;
}

/** What one call holds: a permit of its circuit, and of the method's circuit above it. Settled together, once. */
export class Permits {
  readonly #own: Permit | undefined;
  readonly #parent: Permit | undefined;
  #settled = false;

  private constructor(own: Permit | undefined, parent: Permit | undefined) {
    this.#own = own;
    this.#parent = parent;
  }

  /**
   * Asks the circuits whether a call may go out.
   * @param mode weakens them for this call
   */
  static acquire(entry: Entry, mode: CircuitMode): Permits | RejectedBy {
    if (mode === 'off') return new Permits(undefined, undefined);
    const own = entry.circuit.acquire();
    if (!own.admitted && mode === 'enforce') return { entry, rejection: own };
    const above = entry.parent;
    const parent = above?.circuit.acquire();
    if (above !== undefined && parent?.admitted === false && mode === 'enforce') {
      if (own.admitted) own.withdraw();
      return { entry: above, rejection: parent };
    }
    return new Permits(own.admitted ? own : undefined, parent?.admitted ? parent : undefined);
  }

  /** Whether the call decides about a half-open circuit. */
  get probe(): boolean {
    return this.#own?.probe === true || this.#parent?.probe === true;
  }

  settle(outcome: Outcome, code: status, durationMs: number, pushbackMs: number): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#own?.settle(outcome, durationMs, pushbackMs);
    this.#parent?.settle(serverOutcome(outcome, code), durationMs, pushbackMs);
  }
}

/** What a call of one model says about the server of all: a model that is broken or busy is still an answer. */
function serverOutcome(outcome: Outcome, code: status): Outcome {
  if (outcome === 'ignored') return 'ignored';
  const unreachable = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
  return outcome === 'failure' && unreachable ? 'failure' : 'success';
}
