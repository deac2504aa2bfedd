import { cut } from '../../text.js';
import { OTHER } from './sums.js';

/** Longer texts than this are cut. A circuit's key is longer only where the method's path is. */
const LONGEST = 512;

/** A text as the value of a label: well-formed and bounded. The exporter escapes it for its format. */
export function labelOf(text: string): string {
  return cut(text, LONGEST, '…');
}

/**
 * Gives the first `max` names a label of their own, and all other names the label `_other`. A name keeps its label until it is
 * forgotten: if the label changed, a counter would go backwards. So, where names are forgotten, the names with `_other` are
 * remembered too: a forgotten name makes room for a new name, but not for a name that already has `_other`. For a reader that never
 * forgets a label (`isRoomReused` is false), a forgotten name makes no room, and gets its label again when it comes back.
 */
export class Labels {
  readonly #max: number;
  readonly #isRoomReused: boolean;
  readonly #own = new Map<string, string>();
  readonly #others: Set<string> | undefined;

  /**
   * @param forgets whether `forget()` will be called for each name; otherwise no name with `_other` is remembered, because
   * there may be any number
   */
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
