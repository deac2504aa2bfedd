import { status } from '@grpc/grpc-js';
import type { CircuitMode, Circumstances, Permit, Rejection } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';

/** A rejection and its circuit. */
export interface RejectedBy {
  readonly entry: Entry;
  readonly rejection: Rejection;
}

/** A call's permits: of its circuit, and of the parent circuit above it. Settled together, once. */
export class Permits {
  readonly #own: Permit | undefined;
  readonly #parent: Permit | undefined;
  #settled = false;

  private constructor(own: Permit | undefined, parent: Permit | undefined) {
    this.#own = own;
    this.#parent = parent;
  }

  /**
   * Acquires the permits of a call.
   * @param mode weakens the circuits for this call
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

  /** Whether the call is the probe of a half-open circuit. */
  get probe(): boolean {
    return this.#own?.probe === true || this.#parent?.probe === true;
  }

  settle(
    outcome: Outcome,
    code: status,
    durationMs: number,
    pushbackMs: number,
    circumstances?: Circumstances,
  ): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#own?.settle(outcome, durationMs, pushbackMs, circumstances);
    this.#parent?.settle(serverOutcome(outcome, code), durationMs, pushbackMs, circumstances);
  }
}

/** The outcome for the parent circuit, which is the server's: an answer of a broken or busy model shows that the server is up. */
function serverOutcome(outcome: Outcome, code: status): Outcome {
  if (outcome === 'ignored') return 'ignored';
  const unreachable = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
  return outcome === 'failure' && unreachable ? 'failure' : 'success';
}
