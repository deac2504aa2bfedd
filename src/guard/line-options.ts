import type { CircuitOptions } from '../circuit/types.js';
import type { CircuitFactory } from '../engines/engine.js';

/** How a circuit is made, and made anew with other settings. */
export interface CircuitSetup {
  /** How errors name the options. */
  readonly field: string;
  readonly options: CircuitOptions;
  /** Makes the circuit of a key. */
  readonly make: CircuitFactory;
}

/** How the circuits of a method are made. */
export interface LineOptions {
  readonly circuit: CircuitSetup;
  /** The method's circuit above those of its models; undefined for none. */
  readonly parent: CircuitSetup | undefined;
}
