import type { CircuitOptions } from '../circuit/types.js';
import type { CircuitFactory } from '../engines/engine.js';

/** The settings of a circuit, and the function that makes it. */
export interface CircuitSetup {
  /** The name of the options in errors. */
  readonly field: string;
  readonly options: CircuitOptions;
  /** Makes the circuit of a key. */
  readonly make: CircuitFactory;
}

/** The settings of the circuits of a method. */
export interface LineOptions {
  readonly circuit: CircuitSetup;
  /** The settings of the parent circuit; undefined without `parentCircuit`. */
  readonly parent: CircuitSetup | undefined;
}
