import type { Circuit, CircuitSnapshot } from '../circuit/types.js';
import type { TransitionCount } from './counts.js';

/** The circuit that a fallback has around its own calls: of `secondaryModel()` or `answerWith()`. */
export interface SecondaryReading {
  /**
   * `secondary:<name>`, the source of its answers. Where several strategies have the same name, `~2`, `~3` follow the name of the
   * later strategies. It is no key for `guard.circuit()`.
   */
  readonly circuitKey: string;
  /** Its present snapshot, with this key. */
  readonly snapshot: CircuitSnapshot;
  /** How often it changed its state, by the two states and the rule. */
  readonly transitions: readonly TransitionCount[];
  /** The circuit itself, to isolate it or to set its mode. */
  readonly circuit: Circuit;
}
