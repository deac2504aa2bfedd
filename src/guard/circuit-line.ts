import type { Circuit, CircuitMode } from '../circuit/types.js';
import type { Evictable } from './eviction-order.js';
import type { CircuitSetup, LineOptions } from './line-options.js';
import { UsualLatency } from './usual-latency.js';

/** A circuit in its place. */
export interface Entry {
  readonly key: string;
  readonly circuit: Circuit;
  /** The method's own circuit above a model's, where the method has one. */
  readonly parent: Entry | undefined;
  /** What its successful calls usually take. */
  readonly usualLatency: UsualLatency;
}

/** The circuits of one method on one target, as long as there are any. */
export interface Shelf {
  readonly target: string;
  readonly method: string;
  options: LineOptions;
  readonly slots: Map<string, Slot>;
}

/** An entry, and what the registry must know to let it go. */
export class Slot implements Entry, Evictable<Slot> {
  readonly key: string;
  readonly part: string;
  readonly shelf: Shelf;
  readonly circuit: Circuit;
  readonly usualLatency = new UsualLatency();
  setup: CircuitSetup;
  parent: Slot | undefined;
  /** How many circuits it is the parent of. */
  children = 0;
  /** The mode that it has unless one is set by hand. */
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
      // set by hand: a new circuit would not have it
      circuit.mode !== this.usualMode
    );
  }

  get isOpen(): boolean {
    return this.circuit.state === 'open';
  }
}

/** Where a line finds its circuits. */
export interface Shelves {
  /** The circuit of a key, made if there is none; used just now. */
  slot(target: string, method: string, part: string): Slot;
  touch(slot: Slot): void;
}

/**
 * The way to the circuits of one method on one target. It costs the registry nothing: what a line holds is gone when its
 * holder is, and a line whose circuits were evicted finds, or makes, the next ones.
 */
export class CircuitLine {
  readonly #shelves: Shelves;
  readonly #target: string;
  readonly #method: string;
  /** The last one seen: without slots when the registry has let it go. */
  #shelf: Shelf | undefined;

  constructor(shelves: Shelves, target: string, method: string) {
    this.#shelves = shelves;
    this.#target = target;
    this.#method = method;
  }

  /** The circuit for a part of the key; '' is the method's own. */
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
