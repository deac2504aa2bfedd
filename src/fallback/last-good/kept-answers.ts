import { LRUCache } from 'lru-cache';
import type { AnswerTime } from './age.js';

/**
 * An answer as it is kept: protobuf bytes that nobody can change. They are the characters of a string (latin1): a small
 * Buffer is a slice of a shared slab that it holds whole, and a Buffer with memory of its own costs microseconds to make.
 */
export interface KeptAnswer extends AnswerTime {
  readonly encoded: string;
}

/** The cost of a kept answer beside its bytes: key, entry and map slots, as a heap snapshot of Node 20 shows. */
const OVERHEAD_BYTES = 300;

/** Answers in memory; the least recently used goes first. */
export class KeptAnswers {
  readonly #entries: LRUCache<string, KeptAnswer> | undefined;

  /** @param maxEntries 0: nothing is kept */
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
   * Keeps an answer in the place of an earlier one.
   * @returns whether there is an answer now: one that is larger than the whole memory is not kept
   */
  put(key: string, kept: KeptAnswer): boolean {
    this.#entries?.set(key, kept);
    return this.has(key);
  }

  delete(key: string): void {
    this.#entries?.delete(key);
  }

  clear(): void {
    this.#entries?.clear();
  }
}
