import { cut } from '../../text.js';
import { OTHER } from './sums.js';

/** Longer texts than this are cut. A circuit's key is longer only where the method's path is. */
const LONGEST = 512;

/** A text as the value of a label: well-formed and bounded. What escapes it for the format is the exporter. */
export function labelOf(text: string): string {
  return cut(text, LONGEST, '…');
}

/**
 * Gives the first so many names a label of their own, and all others `_other`. A name keeps what it got until it is
 * forgotten: if it changed in between, a counter would go backwards. So the others are remembered too, where names are
 * forgotten: a forgotten name makes room for a new one, but not for one of them. Where whoever reads the labels never forgets one, a
 * forgotten name makes no room either, and has its label again when it comes back.
 */
export class Labels {
  readonly #max: number;
  readonly #isRoomReused: boolean;
  readonly #own = new Map<string, string>();
  readonly #others: Set<string> | undefined;

  /** @param forgets whether each name will be forgotten one day; otherwise the number of names has no bound */
  constructor(max: number, forgets: boolean, isRoomReused = true) {
    this.#max = max;
    this.#isRoomReused = isRoomReused;
    this.#others = forgets ? new Set() : undefined;
  }

  of(name: string): string {
    const known = this.#own.get(name);
    if (known !== undefined) return known;
    if (name === OTHER || this.#others?.has(name) === true) return OTHER;
    if (this.#own.size >= this.#max) {
      this.#others?.add(name);
      return OTHER;
    }
    const label = labelOf(name);
    this.#own.set(name, label);
    return label;
  }

  /** @returns whether the name had a label of its own */
  forget(name: string): boolean {
    this.#others?.delete(name);
    return this.#isRoomReused ? this.#own.delete(name) : this.#own.has(name);
  }
}
