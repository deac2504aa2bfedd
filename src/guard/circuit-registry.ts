import type { Circuit, CircuitMode, CircuitSnapshot } from '../circuit/types.js';
import type { CircuitEnvironment, CircuitFactory } from '../engines/engine.js';
import { keyOf } from '../key/circuit-key.js';
import { UsualLatency } from './usual-latency.js';

/** A circuit in its place. */
export interface Entry {
  readonly key: string;
  readonly circuit: Circuit;
  /** The method's own circuit above a model's, where the method has one. */
  readonly parent: Entry | undefined;
  /** What its successful calls usually take. */
  readonly usualLatency: UsualLatency;
  /** When it was last asked for, on the registry's own count of look-ups. */
  usedAt: number;
}

/** A circuit that may go, and what takes it out of its line. */
interface Removable {
  readonly entry: Entry;
  remove(): void;
}

/** How the circuits of a line are made. */
export interface LineOptions {
  /** Makes the circuit of a key. */
  readonly circuit: CircuitFactory;
  /** Makes the method's circuit above those of its models; undefined for none. */
  readonly parent: CircuitFactory | undefined;
}

/**
 * Every circuit of a guard, bounded in number. When the bound is reached, the least recently used closed circuits go
 * first, then the least recently used others; one that is held isolated stays. A circuit that went starts anew.
 */
export class CircuitRegistry {
  readonly #max: number;
  readonly #environment: CircuitEnvironment;
  readonly #lines = new Map<string, CircuitLine>();
  #size = 0;
  #lookUps = 0;
  #mode: CircuitMode | undefined;

  constructor(max: number, environment: CircuitEnvironment) {
    this.#max = max;
    this.#environment = environment;
  }

  /** How many circuits there are. */
  get size(): number {
    return this.#size;
  }

  /**
   * The circuits of one method (on one target, where targets are told apart). Made at the first call. Gone with its last
   * circuit, as a name may be a caller's text; who holds on to one says so by `keep()`.
   */
  line(target: string, method: string, options: () => LineOptions): CircuitLine {
    const name = keyOf(target, method, '');
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const { circuit, parent } = options();
    const line: CircuitLine = new CircuitLine(
      (part, above) => {
        const factory = part === '' && parent ? parent : circuit;
        const entry = this.#make(keyOf(target, method, part), factory, above);
        this.#lines.set(name, line); // it may just have lost its last circuit to this one
        return entry;
      },
      () => ++this.#lookUps,
      parent !== undefined,
    );
    this.#lines.set(name, line);
    return line;
  }

  *entries(): Iterable<Entry> {
    for (const line of this.#lines.values()) yield* line.entries();
  }

  snapshots(): CircuitSnapshot[] {
    return Array.from(this.entries(), (entry) => entry.circuit.snapshot());
  }

  /** Sets the mode of every circuit, also of those still to come. */
  setMode(mode: CircuitMode): void {
    this.#mode = mode;
    for (const { circuit } of this.entries()) circuit.mode = mode;
  }

  /** Lets go of what the engine's circuits hold. */
  close(): void {
    for (const { circuit } of this.entries()) circuit.close?.();
  }

  #make(key: string, factory: CircuitFactory, parent: Entry | undefined): Entry {
    if (this.#size >= this.#max) this.#evict();
    const circuit = factory(key, this.#environment);
    if (this.#mode !== undefined) circuit.mode = this.#mode;
    this.#size++;
    return { key, circuit, parent, usualLatency: new UsualLatency(), usedAt: 0 };
  }

  /** Makes room for a sixteenth at once, so that a flood of names costs each of them little. */
  #evict(): void {
    const room = Math.max(1, this.#max >> 4);
    const candidates = [...this.#lines.values()].flatMap((line) => line.removable());
    candidates.sort((a, b) => a.entry.usedAt - b.entry.usedAt);
    const gone = new Set<Removable>();
    for (const isClosed of [true, false]) {
      for (const candidate of candidates) {
        if (gone.size === room) break;
        const { circuit } = candidate.entry;
        // a snapshot sorts latencies: only of those that would go
        const goes = (circuit.state === 'closed') === isClosed && circuit.snapshot().isolated === 0;
        if (goes) gone.add(candidate);
      }
    }
    for (const { remove } of gone) remove();
    this.#size -= gone.size;
    for (const [name, line] of this.#lines) if (line.isForgettable) this.#lines.delete(name);
  }
}

/** The circuits of one method. */
export class CircuitLine {
  readonly #entries = new Map<string, Entry>();
  readonly #make: (part: string, parent: Entry | undefined) => Entry;
  readonly #tick: () => number;
  readonly #hasParent: boolean;
  #kept = false;
  /** A circuit below the parent is being made: the parent must not be what makes room for it. */
  #comes = false;

  constructor(
    make: (part: string, parent: Entry | undefined) => Entry,
    tick: () => number,
    hasParent: boolean,
  ) {
    this.#make = make;
    this.#tick = tick;
    this.#hasParent = hasParent;
  }

  /** Somebody holds on to it: it stays, also without circuits. */
  keep(): this {
    this.#kept = true;
    return this;
  }

  get isForgettable(): boolean {
    return !this.#kept && this.#entries.size === 0;
  }

  /** The circuit for a part of the key; '' is the method's own. */
  get(part: string): Entry {
    let entry = this.#entries.get(part);
    if (entry === undefined) {
      const parent = this.#hasParent && part !== '' ? this.get('') : undefined;
      this.#comes = parent !== undefined;
      entry = this.#make(part, parent);
      this.#comes = false;
      this.#entries.set(part, entry);
    }
    entry.usedAt = this.#tick();
    return entry;
  }

  /** The circuit for a part, if there is one. */
  peek(part: string): Entry | undefined {
    return this.#entries.get(part);
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** What may go, if it is not isolated by hand: not the circuit above others. */
  removable(): Removable[] {
    const found: Removable[] = [];
    for (const [part, entry] of this.#entries) {
      const isParent = this.#hasParent && part === '' && (this.#entries.size > 1 || this.#comes);
      if (isParent) continue;
      const remove = () => {
        this.#entries.delete(part);
        entry.circuit.close?.();
      };
      found.push({ entry, remove });
    }
    return found;
  }
}
