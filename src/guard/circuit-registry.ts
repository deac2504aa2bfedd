import type { CircuitMode, CircuitSnapshot } from '../circuit/types.js';
import type { CircuitEnvironment } from '../engines/engine.js';
import { invalid } from '../errors.js';
import { keyOf } from '../key/circuit-key.js';
import type { AnswerCount } from '../telemetry/answers.js';
import type { ProbeCount, TransitionCount } from '../telemetry/counts.js';
import { CircuitLine, type Entry, type Shelf, type Shelves, Slot } from './circuit-line.js';
import { EvictedAnswers } from './evicted-answers.js';
import { EvictionOrder } from './eviction-order.js';
import type { CircuitSetup, LineOptions } from './line-options.js';

export type { CircuitLine, Entry } from './circuit-line.js';

/**
 * The most circuits that are evicted for a new one. More than one, so that the number falls to the bound again after circuits in
 * use have exceeded it; not all of them at once, because a call has to wait for it.
 */
const MOST_EVICTED = 2;

/**
 * All circuits of a guard, bounded in number: see {@link EvictionOrder}. After an eviction, the next call of the key gets a new
 * circuit. Only circuits that are in use or set by hand can exceed the bound.
 */
export class CircuitRegistry implements Shelves {
  readonly #max: number;
  readonly #environment: CircuitEnvironment;
  /** The shelves by target and method. Each has at least one circuit. */
  readonly #shelves = new Map<string, Shelf>();
  readonly #order: EvictionOrder<Slot>;
  readonly #evicted = new EvictedAnswers();
  #optionsOf: (method: string) => LineOptions;
  #size = 0;
  #mode: CircuitMode | undefined;
  #isMakingRoom = false;

  readonly #onEvict: (slot: Slot) => void;

  /**
   * @param optionsOf returns the settings of a method
   * @param onEvict called when a circuit is dropped, before it is closed; must not throw
   */
  constructor(
    max: number,
    environment: CircuitEnvironment,
    optionsOf: (method: string) => LineOptions,
    onEvict: (slot: Slot) => void = () => {},
  ) {
    this.#onEvict = onEvict;
    this.#max = max;
    this.#environment = environment;
    this.#order = new EvictionOrder(max);
    this.#optionsOf = optionsOf;
  }

  /** How many circuits there are. */
  get size(): number {
    return this.#size;
  }

  /** How many methods have circuits; a method counts once per target. */
  get shelves(): number {
    return this.#shelves.size;
  }

  /** The circuits of one method on one target; '' for the circuits of `guard.interceptor`. */
  line(target: string, method: string): CircuitLine {
    return new CircuitLine(this, target, method);
  }

  slot(target: string, method: string, part: string): Slot {
    const name = keyOf(target, method, '');
    const shelf = this.#shelves.get(name) ?? {
      target,
      method,
      options: this.#optionsOf(method),
      slots: new Map(),
    };
    const slot = this.#slotOn(shelf, part);
    this.#shelves.set(name, shelf); // also if it was known: it was dropped if its last circuit has just been evicted
    return slot;
  }

  /** The circuit of a key, or undefined. The circuit does not count as used. */
  find(target: string, method: string, part: string): Slot | undefined {
    return this.#shelves.get(keyOf(target, method, ''))?.slots.get(part);
  }

  touch(slot: Slot): void {
    this.#order.touch(slot);
  }

  get newest(): Slot | undefined {
    return this.#order.newest;
  }

  *entries(): Iterable<Entry> {
    for (const { slots } of this.#shelves.values()) yield* slots.values();
  }

  snapshots(): CircuitSnapshot[] {
    return Array.from(this.entries(), (entry) => entry.circuit.snapshot());
  }

  /** How callers were answered: by circuit, and for evicted circuits by method. */
  answers(): AnswerCount[] {
    const counts: AnswerCount[] = [];
    for (const { key, shelf, answers } of this.#slots()) counts.push(...answers.report(shelf.method, key));
    counts.push(...this.#evicted.report());
    return counts;
  }

  transitions(): TransitionCount[] {
    return Array.from(this.#slots(), ({ key, counts }) => counts.transitions(key)).flat();
  }

  probes(): ProbeCount[] {
    return Array.from(this.#slots(), ({ key, counts }) => counts.probes(key)).flat();
  }

  /** Sets the mode of every present and future circuit. */
  setMode(mode: CircuitMode): void {
    this.#mode = mode;
    for (const slot of this.#slots()) {
      slot.circuit.mode = mode;
      slot.usualMode = mode;
    }
  }

  /** Closes every circuit, so that engines free their listeners and timers. */
  close(): void {
    for (const { circuit } of this.entries()) circuit.close?.();
  }

  /**
   * Puts new settings in force, for present and future circuits. A mode that was set by hand stays.
   * @param optionsOf returns the new settings of a method; if it throws, nothing changes
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT if a circuit would become a throttle, or a throttle a circuit
   */
  reconfigure(optionsOf: (method: string) => LineOptions): void {
    const changes = [...this.#shelves.values()].map((shelf) => ({ shelf, options: optionsOf(shelf.method) }));
    for (const { shelf, options } of changes) {
      for (const slot of shelf.slots.values()) checkKind(slot.setup, setupOf(options, slot.part));
    }
    this.#optionsOf = optionsOf;
    for (const { shelf, options } of changes) {
      shelf.options = options;
      for (const slot of [...shelf.slots.values()]) this.#reconfigure(slot, setupOf(options, slot.part));
    }
    // last, because it may make a parent, which may evict a circuit
    for (const { shelf } of changes) this.#linkParents(shelf);
  }

  #reconfigure(slot: Slot, setup: CircuitSetup): void {
    const { circuit } = slot;
    const { mode = 'enforce' } = setup.options;
    const before = circuit.mode;
    circuit.reconfigure({ ...setup.options, mode });
    slot.setup = setup;
    if (this.#mode === undefined) slot.usualMode = mode;
    else circuit.mode = before; // the mode of `setMode()`, or one that was set by hand after it
  }

  /** Adds and removes parents of existing circuits, as the new settings require. */
  #linkParents(shelf: Shelf): void {
    for (const slot of [...shelf.slots.values()]) {
      const isChild = slot.part !== '' && shelf.options.parent !== undefined;
      if (isChild === (slot.parent !== undefined) || shelf.slots.get(slot.part) !== slot) continue;
      if (slot.parent === undefined) {
        const parent = this.#parentOn(shelf);
        // the circuit itself may have been evicted to make room for its parent
        if (shelf.slots.get(slot.part) === slot) slot.parent = parent;
        else parent.children -= 1;
      } else {
        slot.parent.children -= 1;
        slot.parent = undefined;
      }
    }
    if (shelf.slots.size > 0) this.#shelves.set(keyOf(shelf.target, shelf.method, ''), shelf);
  }

  #slotOn(shelf: Shelf, part: string): Slot {
    const known = shelf.slots.get(part);
    if (known !== undefined) {
      this.touch(known);
      return known;
    }
    const { target, method, options } = shelf;
    const parent = options.parent !== undefined && part !== '' ? this.#parentOn(shelf) : undefined;
    this.#makeRoom();
    const key = keyOf(target, method, part);
    const setup = setupOf(options, part);
    const slot = new Slot(key, part, shelf, setup, setup.make(key, this.#environment), parent);
    if (this.#mode !== undefined) {
      slot.circuit.mode = this.#mode;
      slot.usualMode = this.#mode;
    }
    shelf.slots.set(part, slot);
    this.#order.add(slot);
    this.#size += 1;
    return slot;
  }

  /** The parent for a new circuit. A parent is not evicted as long as it has children. */
  #parentOn(shelf: Shelf): Slot {
    const parent = this.#slotOn(shelf, '');
    parent.children += 1;
    return parent;
  }

  #makeRoom(): void {
    // to read whether a circuit is open may emit an event, whose listener may call `guard.circuit()`
    if (this.#isMakingRoom) return;
    this.#isMakingRoom = true;
    for (let evicted = 0; evicted < MOST_EVICTED && this.#size >= this.#max; evicted++) {
      const slot = this.#order.next();
      if (slot === undefined) break;
      this.#evict(slot);
    }
    this.#isMakingRoom = false;
  }

  #evict(slot: Slot): void {
    const { shelf } = slot;
    this.#order.remove(slot);
    this.#size -= 1;
    shelf.slots.delete(slot.part);
    if (slot.parent !== undefined) slot.parent.children -= 1;
    if (shelf.slots.size === 0) this.#shelves.delete(keyOf(shelf.target, shelf.method, ''));
    this.#evicted.add(shelf.method, slot.answers);
    this.#onEvict(slot);
    slot.circuit.close?.();
  }

  *#slots(): Iterable<Slot> {
    for (const { slots } of this.#shelves.values()) yield* slots.values();
  }
}

function setupOf({ circuit, parent }: LineOptions, part: string): CircuitSetup {
  return part === '' && parent !== undefined ? parent : circuit;
}

function checkKind(old: CircuitSetup, setup: CircuitSetup): void {
  const isThrottle = ({ options }: CircuitSetup) =>
    options.throttle !== undefined && options.throttle !== false;
  if (isThrottle(old) === isThrottle(setup)) return;
  const expected = isThrottle(old)
    ? 'a throttle, because the existing circuits are throttles'
    : 'no throttle, because the existing circuits are not throttles';
  throw invalid(`${setup.field}.throttle`, expected, setup.options.throttle);
}
