import { LRUCache } from 'lru-cache';

/**
 * An answer as it is kept: protobuf bytes that nobody can change. They are the characters of a string (latin1): a small
 * Buffer is a slice of a shared slab that it holds whole, and one with memory of its own costs microseconds to make.
 */
export interface KeptAnswer {
  readonly encoded: string;
  /** When the primary gave it, in milliseconds since the epoch. */
  readonly atMs: number;
}

/** What a kept answer costs beside its bytes: key, entry and map slots, as a heap snapshot of Node 20 shows. */
const OVERHEAD_BYTES = 300;

/** Answers in memory, the least recently used going first. */
export class KeptAnswers {
  readonly #entries: LRUCache<string, KeptAnswer> | undefined;

  /** @param maxEntries 0 keeps none */
  constructor(maxEntries: number, maxBytes: number) {
    if (maxEntries === 0) return;
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: (kept) => kept.encoded.length + OVERHEAD_BYTES,
    });
  }

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  has(key: string): boolean {
    return this.#entries?.has(key) ?? false;
  }

  get(key: string): KeptAnswer | undefined {
    return this.#entries?.get(key);
  }

  /**
   * An older answer never replaces a newer one: batches and stores may be late.
   * @returns whether there is one now: one that is larger than the whole memory is not kept
   */
  put(key: string, kept: KeptAnswer): boolean {
    const present = this.#entries?.peek(key);
    if (present === undefined || present.atMs <= kept.atMs) this.#entries?.set(key, kept);
    return this.has(key);
  }

  delete(key: string): void {
    this.#entries?.delete(key);
  }

  clear(): void {
    this.#entries?.clear();
  }
}
