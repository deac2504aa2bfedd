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
  /** The parent circuit, where `parentCircuit` is set. */
  readonly parent: Entry | undefined;
  /** The usual duration of its successful calls. */
  readonly usualLatency: UsualLatency;
  /** How its callers were answered. */
  readonly answers: AnswerCounts;
  /** What seldom happened to it. */
  readonly counts: CircuitCounts;
}

/** The circuits of a method on a target. It is dropped with its last circuit. */
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
  /** How many circuits it is the parent of. */
  children = 0;
  /** The mode by the settings; a circuit with another mode was set by hand. */
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
      // set by hand: a new circuit would not have that mode
      circuit.mode !== this.usualMode
    );
  }

  get isOpen(): boolean {
    return this.circuit.state === 'open';
  }
}

/** The registry, as a line uses it. */
export interface Shelves {
  /** The circuit of a key, marked as just used. It is made if it does not exist. */
  slot(target: string, method: string, part: string): Slot;
  touch(slot: Slot): void;
}

/**
 * Gives the circuits of a method on a target. The registry holds no lines, so a line is garbage with its holder. After an
 * eviction a line finds, or makes, the next circuit.
 */
export class CircuitLine {
  readonly #shelves: Shelves;
  readonly #target: string;
  readonly #method: string;
  /** The shelf that was used last. It has no slots after the registry has dropped it. */
  #shelf: Shelf | undefined;

  constructor(shelves: Shelves, target: string, method: string) {
    this.#shelves = shelves;
    this.#target = target;
    this.#method = method;
  }

  /** The circuit of a key part; '' is the method's own. */
  get(part: string): Entry {
    const known = this.#shelf?.slots.get(part);
    if (known !== undefined) {
      this.#shelves.touch(known);
      return known;
    }
    const slot = this.#shelves.slot(this.#target, this.#method, part);
    this.#shelf = slot.shelf;
    return slot;
  }
}
