import { type Linked, RecencyList } from './recency-list.js';

/** The parts of a circuit that decide about its eviction. */
export interface Evictable<T> extends Linked<T> {
  /** Whether the circuit is in the list of open circuits. Only `EvictionOrder` sets this. */
  isAside: boolean;
  /** Whether the circuit must stay, because it is in use or was set by hand. */
  readonly isHeld: boolean;
  /** Whether the circuit is open now. */
  readonly isOpen: boolean;
}

/** The most circuits that are checked to find one to evict. Bounds the cost of a new name. */
const MOST_LOOKED_AT = 64;

/**
 * The order in which circuits are evicted: the least recently used first. Two kinds are passed over:
 *
 * - circuits that are in use or were set by hand stay, however many they are;
 * - circuits that are open now are put aside, because their state protects their callers. At most half of all circuits are put
 *   aside: otherwise a flood of failing names would open so many circuits that no other circuit had room.
 *
 * A half-open circuit is not passed over, because the circuit of a dead model without calls would stay half-open for ever.
 * Every operation is O(1).
 */
export class EvictionOrder<T extends Evictable<T>> {
  readonly #used = new RecencyList<T>();
  readonly #aside = new RecencyList<T>();
  readonly #mostAside: number;

  /** @param max the most circuits */
  constructor(max: number) {
    this.#mostAside = Math.floor(max / 2);
  }

  /** The item that was used last. */
  get newest(): T | undefined {
    return this.#used.newest;
  }

  add(item: T): void {
    item.isAside = false;
    this.#used.add(item);
  }

  /** Marks a circuit as just used. */
  touch(item: T): void {
    if (item === this.#used.newest) return;
    this.remove(item);
    this.add(item);
  }

  remove(item: T): void {
    (item.isAside ? this.#aside : this.#used).remove(item);
  }

  /** The next circuit to evict; undefined if every circuit that was checked is held. */
  next(): T | undefined {
    for (let looked = 0; looked < MOST_LOOKED_AT; looked++) {
      const aside = this.#aside.oldest;
      const item = this.#isOverdue(aside) ? aside : this.#used.oldest;
      if (item === undefined) break;
      if (item.isHeld) this.touch(item);
      else if (item === aside || !item.isOpen) return item;
      else this.#putAside(item);
    }
    const last = this.#aside.oldest;
    return last?.isHeld === false ? last : undefined;
  }

  /** Whether a circuit that was put aside is no longer open, or one of too many. */
  #isOverdue(aside: T | undefined): aside is T {
    return aside !== undefined && (this.#aside.size > this.#mostAside || !aside.isOpen);
  }

  #putAside(item: T): void {
    this.#used.remove(item);
    item.isAside = true;
    this.#aside.add(item);
  }
}
