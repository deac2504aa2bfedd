import type { Clock } from '../../clock.js';
import { isSameMaterial, type KeyMaterial } from '../request-key/key-material.js';
import type { KeptAnswer } from './kept-answers.js';

/** A good answer that is encoded, and waits to be kept. The caller may change its objects meanwhile. */
export interface PendingAnswer {
  readonly material: KeyMaterial;
  readonly kept: KeptAnswer;
  /** The size of request and answer together, encoded. */
  readonly bytes: number;
}

/** The most time of a turn of the event loop that keeping answers may take. A single answer may take longer. */
const LONGEST_SLICE_MS = 5;
const MOST_PENDING = 256;
const MOST_PENDING_BYTES = 16 * 2 ** 20;
/** The clock is read after this many bytes, which take well below a millisecond, and not after each small answer. */
const BYTES_BETWEEN_LOOKS = 8_192;
/** The work on an answer without a byte, in bytes. */
const OVERHEAD_BYTES = 1_024;

/**
 * The queue of good answers that wait to be kept. Hashing and storing wait until the loop has run the calls of this turn, and
 * then take at most {@link LONGEST_SLICE_MS} of each turn. The queue is bounded in answers and in bytes.
 */
export class PendingAnswers {
  readonly #put: (pending: PendingAnswer) => void;
  readonly #clock: Clock;
  #queue: PendingAnswer[] = [];
  /** Where the queue begins in the array. */
  #head = 0;
  #bytes = 0;
  /** The time of this turn that is used up. */
  #spentMs = 0;
  #scheduled: NodeJS.Immediate | undefined;

  /** @param put keeps an answer; must not throw */
  constructor(put: (pending: PendingAnswer) => void, clock: Clock) {
    this.#put = put;
    this.#clock = clock;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  /** Makes room in a full queue, as far as the time of this turn allows. */
  hasRoom(): boolean {
    if (this.#isFull) this.flush();
    return !this.#isFull;
  }

  get #isFull(): boolean {
    return this.size >= MOST_PENDING || this.#bytes >= MOST_PENDING_BYTES;
  }

  add(pending: PendingAnswer): void {
    this.#queue.push(pending);
    this.#bytes += pending.bytes;
    if (this.#scheduled !== undefined) return;
    this.#spentMs = 0;
    this.#schedule();
  }

  /** The newest answer to the same request that is still in the queue. */
  find(material: KeyMaterial): KeptAnswer | undefined {
    for (let index = this.#queue.length - 1; index >= this.#head; index--) {
      const pending = this.#queue[index];
      if (pending !== undefined && isSameMaterial(pending.material, material)) return pending.kept;
    }
    return undefined;
  }

  /** Keeps answers in order, while this turn has time; the others follow in the next turns. */
  flush(): void {
    if (this.size === 0) return;
    let startMs = this.#clock.now();
    let work = 0;
    while (this.#spentMs < LONGEST_SLICE_MS) {
      const pending = this.#take();
      if (pending === undefined) break;
      this.#put(pending);
      work += pending.bytes + OVERHEAD_BYTES;
      if (work < BYTES_BETWEEN_LOOKS && this.size > 0) continue;
      const nowMs = this.#clock.now();
      this.#spentMs += nowMs - startMs;
      startMs = nowMs;
      work = 0;
    }
  }

  #take(): PendingAnswer | undefined {
    const pending = this.#queue[this.#head];
    if (pending === undefined) return undefined;
    this.#head++;
    this.#bytes -= pending.bytes;
    if (this.size === 0) this.clear();
    else if (this.#head === MOST_PENDING) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return pending;
  }

  /** Flushes turn by turn until the queue is empty. */
  async drain(): Promise<void> {
    this.flush();
    while (this.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #schedule(): void {
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.#spentMs = 0;
      this.flush();
      if (this.size > 0) this.#schedule();
    });
  }
}
