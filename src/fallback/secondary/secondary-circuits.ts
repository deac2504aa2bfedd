import type { Circuit } from '../../circuit/types.js';
import { CircuitCounts } from '../../telemetry/circuit-counts.js';
import type { CircuitListener, TransitionEvent } from '../../telemetry/events.js';
import type { SecondaryReading } from '../../telemetry/secondary-reading.js';
import type { Warnings } from '../../telemetry/warnings.js';

/** A strategy that may have a circuit around its own calls. */
interface MayHaveCircuit {
  readonly name: string;
  readonly circuit?: Circuit | undefined;
  reportCircuit?(listener: CircuitListener): void;
}

interface Known {
  readonly circuitKey: string;
  readonly counts: CircuitCounts;
}

/** The circuits of the strategies of a registry, each once, with their transitions. */
export class SecondaryCircuits {
  readonly #known = new Map<Circuit, Known>();
  readonly #keys = new Set<string>();
  readonly #onTransition: (event: TransitionEvent) => void;
  readonly #warnings: Warnings;

  constructor(onTransition: (event: TransitionEvent) => void, warnings: Warnings) {
    this.#onTransition = onTransition;
    this.#warnings = warnings;
  }

  /** Adds the circuit of a strategy, if it has one that is not known yet. */
  add(strategy: MayHaveCircuit): void {
    const { circuit, name } = strategy;
    if (typeof circuit?.snapshot !== 'function' || this.#known.has(circuit)) return;
    const circuitKey = this.#freeKey(name);
    const counts = new CircuitCounts();
    this.#known.set(circuit, { circuitKey, counts });
    strategy.reportCircuit?.({
      transition: (event) => {
        counts.changed(event);
        this.#onTransition({ ...event, circuitKey });
      },
      isolation: () => {},
    });
  }

  /** A circuit whose snapshot cannot be taken, as one of a user's own engine, is left out: metrics show the others. */
  readings(): SecondaryReading[] {
    return [...this.#known].flatMap(([circuit, { circuitKey, counts }]) => {
      try {
        const snapshot = { ...circuit.snapshot(), circuitKey };
        return { circuitKey, snapshot, transitions: counts.transitions(circuitKey), circuit };
      } catch (error) {
        this.#warnings.report(error, `snapshot of ${circuitKey}`);
        return [];
      }
    });
  }

  #freeKey(name: string): string {
    let key = name;
    for (let n = 2; this.#keys.has(key); n++) key = `${name}~${n}`;
    this.#keys.add(key);
    return key;
  }
}
