import type { Circuit, CircuitMode } from '../circuit/types.js';
import { AnswerCounts } from '../telemetry/answers.js';
import { CircuitCounts } from '../telemetry/circuit-counts.js';
import type { Evictable } from './eviction-order.js';
import type { CircuitSetup, LineOptions } from './line-options.js';
import { UsualLatency } from './usual-latency.js';

/** A circuit of a guard, with its key, its parent and its usual latency. */
export interface Entry {
  readonly key: string;
  readonly circuit: Circuit;
  /** The parent circuit; undefined without `parentCircuit`. */
  readonly parent: Entry | undefined;
  /** The usual duration of the circuit's successful calls. */
  readonly usualLatency: UsualLatency;
  /** How the circuit's callers were answered. */
  readonly answers: AnswerCounts;
  /** The counts of rare events: transitions and probes. */
  readonly counts: CircuitCounts;
}

/** The circuits of a method on a target. The registry drops a shelf together with its last circuit. */
export interface Shelf {
  readonly target: string;
  readonly method: string;
  options: LineOptions;
  readonly slots: Map<string, Slot>;
}

/** An entry with the data that the registry needs to evict it. */
export class Slot implements Entry, Evictable<Slot> {
  readonly key: string;
  readonly part: string;
  readonly shelf: Shelf;
  readonly circuit: Circuit;
  readonly usualLatency = new UsualLatency();
  readonly answers = new AnswerCounts();
  readonly counts = new CircuitCounts();
  setup: CircuitSetup;
  parent: Slot | undefined;
  /** How many circuits have this circuit as their parent. */
  children = 0;
  /** The mode by the settings. If the circuit has another mode, a user has set it by hand. */
  usualMode: CircuitMode;
  older: Slot | undefined;
  newer: Slot | undefined;
  isAside = false;

  constructor(
    key: string,
    part: string,
    shelf: Shelf,
    setup: CircuitSetup,
    circuit: Circuit,
    parent: Slot | undefined,
  ) {
    this.key = key;
    this.part = part;
    this.shelf = shelf;
    this.setup = setup;
    this.circuit = circuit;
    this.parent = parent;
    this.usualMode = circuit.mode;
  }

  get isHeld(): boolean {
    const { circuit } = this;
    return (
      this.children > 0 ||
      circuit.inFlight > 0 ||
      circuit.isolated > 0 ||
      // a new circuit would not have the mode that was set by hand
      circuit.mode !== this.usualMode
    );
  }

  get isOpen(): boolean {
    return this.circuit.state === 'open';
  }
}

/** The part of the registry that a line uses. */
export interface Shelves {
  /** The circuit of a key, which now counts as just used. Makes the circuit if it does not exist. */
  slot(target: string, method: string, part: string): Slot;
  touch(slot: Slot): void;
  /** The circuit that was used last; undefined while there is none. */
  readonly newest: Slot | undefined;
}

/**
 * Gives the circuits of a method on a target. The registry keeps no reference to a line, so a line is garbage-collected with its
 * holder. If a circuit was evicted, the line gets, or makes, a new one.
 */
export class CircuitLine {
  readonly #shelves: Shelves;
  readonly #target: string;
  readonly #method: string;
  /** The shelf that was used last. Once the registry has dropped it, it has no slots. */
  #shelf: Shelf | undefined;

  constructor(shelves: Shelves, target: string, method: string) {
    this.#shelves = shelves;
    this.#target = target;
    this.#method = method;
  }

  /** The circuit of a key part; '' is the method's own. */
  get(part: string): Entry {
    const shelf = this.#shelf;
    const { newest } = this.#shelves;
    // Most calls end here: the circuit that was used last needs no lookup by text, and is not marked as used again.
    if (newest !== undefined && newest.shelf === shelf && newest.part === part) return newest;
    const known = shelf?.slots.get(part);
    if (known !== undefined) {
      this.#shelves.touch(known);
      return known;
    }
    const slot = this.#shelves.slot(this.#target, this.#method, part);
    this.#shelf = slot.shelf;
    return slot;
  }
}
