import type { ClassicLevel } from 'classic-level';
import { isSound, NOTHING, plus, type StoredJob, storedJobFrom, type Totals, totalsFrom } from './entries.js';
import { DEAD, dueOf, isJobKey, TOTALS } from './keys.js';

/** The contents of a database. */
export interface Inventory {
  /** The totals, counted from the entries. */
  readonly found: Totals;
  /** The totals that the database has stored; undefined where they cannot be read. A new database has none, and must be empty. */
  readonly expected: Totals | undefined;
  /** Entries that are not as they were written. */
  readonly unreadable: readonly Entry[];
  /** Jobs that are due later than their delay from now on: the wall clock was set back since they were stored. */
  readonly tooLate: readonly { readonly key: string; readonly stored: StoredJob }[];
}

export interface Entry {
  readonly key: string;
  readonly text: string;
}

/** Reads all of a database. @param nowMs the wall clock */
export async function takeInventory(db: ClassicLevel<string, string>, nowMs: number): Promise<Inventory> {
  const taker = new InventoryTaker(nowMs);
  for await (const [key, text] of db.iterator()) taker.see(key, text);
  return taker.inventory;
}

/** The same, for entries that were read already. @param nowMs the wall clock */
export function inventoryOf(entries: ReadonlyMap<string, string>, nowMs: number): Inventory {
  const taker = new InventoryTaker(nowMs);
  for (const [key, text] of entries) taker.see(key, text);
  return taker.inventory;
}

class InventoryTaker {
  readonly #nowMs: number;
  #found: Totals = NOTHING;
  #expected: Totals | undefined = NOTHING;
  readonly #unreadable: Entry[] = [];
  readonly #tooLate: { key: string; stored: StoredJob }[] = [];

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  get inventory(): Inventory {
    return {
      found: this.#found,
      expected: this.#expected,
      unreadable: this.#unreadable,
      tooLate: this.#tooLate,
    };
  }

  see(key: string, text: string): void {
    if (key === TOTALS) this.#expected = totalsFrom(key, text);
    else if (key.startsWith(DEAD) && isSound(key, text)) this.#count({ ...NOTHING, dead: 1 });
    else {
      const stored = isJobKey(key) ? storedJobFrom(key, text) : undefined;
      if (stored === undefined) this.#unreadable.push({ key, text });
      else this.#seeJob(key, text, stored);
    }
  }

  #seeJob(key: string, text: string, stored: StoredJob): void {
    this.#count({ jobs: 1, bytes: Buffer.byteLength(text), dead: 0 });
    if (dueOf(key) > this.#nowMs + stored.delayMs) this.#tooLate.push({ key, stored });
  }

  #count(change: Totals): void {
    this.#found = plus(this.#found, change);
  }
}
