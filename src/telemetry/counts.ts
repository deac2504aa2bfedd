import type { CircuitStateName } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';

/** `call`: a caller's call; `synthetic`: a call to the model that failsoft made; `readiness`: a readiness check of the server. */
export type ProbeKind = 'call' | 'synthetic' | 'readiness';

/** How often a circuit went from one state to another, by the rule. */
export interface TransitionCount {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The state that it was in. */
  readonly from: CircuitStateName;
  /** The state that it went to. */
  readonly to: CircuitStateName;
  /** The trip rule's name; `probe`: the probes of a half-open circuit decided; `reset`, `restored`; `none`: time passed. */
  readonly rule: string;
  /** Only grows. */
  readonly count: number;
}

/** How often a circuit's probes and readiness checks ended in an outcome. */
export interface ProbeCount {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The kind of the probes. */
  readonly kind: ProbeKind;
  /** The outcome of these probes. */
  readonly outcome: Outcome;
  /** Only grows. */
  readonly count: number;
}
