import type { Circuit, CircuitSnapshot } from '../circuit/types.js';
import type { TransitionCount } from './counts.js';

/** The circuit that a fallback has around its own calls: of `secondaryModel()` or `answerWith()`. */
export interface SecondaryReading {
  /**
   * `secondary:<name>`, the source of its answers. Where several strategies have the same name, the later ones have `~2`, `~3` behind
   * it. It is no key of `guard.circuit()`.
   */
  readonly circuitKey: string;
  /** What it knows now, with this key. */
  readonly snapshot: CircuitSnapshot;
  /** How often it changed its state: per pair of states and rule. */
  readonly transitions: readonly TransitionCount[];
  /** The circuit itself, to isolate it or to set its mode. */
  readonly circuit: Circuit;
}
