import { LRUCache } from 'lru-cache';
import type { AnswerTime } from './age.js';

/**
 * A kept answer: protobuf bytes that no code can change. They are the characters of a latin1 string, because a small Buffer
 * holds the whole slab that it is a slice of, and a Buffer with memory of its own costs microseconds.
 */
export interface KeptAnswer extends AnswerTime {
  readonly encoded: string;
}

/** Memory of a kept answer beside its bytes: key, entry and map slots, by a heap snapshot of Node 20. */
const OVERHEAD_BYTES = 300;

/** Answers in memory; the least recently used answer is dropped first. */
export class KeptAnswers {
  readonly #entries: LRUCache<string, KeptAnswer> | undefined;
  readonly #maxBytes: number;

  /** @param maxEntries with 0, no answer is kept */
  constructor(maxEntries: number, maxBytes: number) {
    this.#maxBytes = maxBytes;
    if (maxEntries === 0) return;
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: sizeOf,
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
   * Keeps an answer in place of an earlier answer.
   * @returns whether it is kept: an answer that is larger than the whole memory is not
   */
  put(key: string, kept: KeptAnswer): boolean {
    if (this.#entries === undefined) return false;
    this.#entries.set(key, kept);
    return sizeOf(kept) <= this.#maxBytes;
  }

  delete(key: string): void {
    this.#entries?.delete(key);
  }

  clear(): void {
    this.#entries?.clear();
  }
}

function sizeOf({ encoded }: KeptAnswer): number {
  return encoded.length + OVERHEAD_BYTES;
}
