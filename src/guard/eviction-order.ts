import { type Linked, RecencyList } from './recency-list.js';

/** A circuit, as far as its place in the order goes. */
export interface Evictable<T> extends Linked<T> {
  /** Whether it stands aside with the open ones. The order's own mark. */
  isAside: boolean;
  /** In use, or set by hand: it stays. */
  readonly isHeld: boolean;
  /** Whether the circuit is open now. */
  readonly isOpen: boolean;
}

/** So many are looked at for one that may go: what a new name costs has a bound. */
const MOST_LOOKED_AT = 64;

/**
 * Which circuit goes when there are too many: the least recently used. Two kinds are passed over:
 *
 * - a circuit that is in use or was set by hand stays, however many there are;
 * - a circuit that is open now stands aside, as what it knows is what protects its callers. At most half of all circuits
 *   may: were it all of them, a flood of names that fail would open so many that nothing else had room.
 *
 * A half-open circuit is not passed over: the name of a dead model, which nobody calls any more, is half-open for ever.
 * All of it is O(1).
 */
export class EvictionOrder<T extends Evictable<T>> {
  readonly #used = new RecencyList<T>();
  readonly #aside = new RecencyList<T>();
  readonly #mostAside: number;

  /** @param max how many circuits there may be */
  constructor(max: number) {
    this.#mostAside = Math.floor(max / 2);
  }

  add(item: T): void {
    item.isAside = false;
    this.#used.add(item);
  }

  /** It has just been used. */
  touch(item: T): void {
    if (item === this.#used.newest) return;
    this.remove(item);
    this.add(item);
  }

  remove(item: T): void {
    (item.isAside ? this.#aside : this.#used).remove(item);
  }

  /** The one to go next; undefined where each that was looked at is held. */
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

  /** Whether one that stands aside is no longer open, or one too many. */
  #isOverdue(aside: T | undefined): aside is T {
    return aside !== undefined && (this.#aside.size > this.#mostAside || !aside.isOpen);
  }

  #putAside(item: T): void {
    this.#used.remove(item);
    item.isAside = true;
    this.#aside.add(item);
  }
}
