import type { Clock } from '../../clock.js';
import { isSameMaterial, type KeyMaterial } from '../request-key/key-material.js';
import type { KeptAnswer } from './kept-answers.js';

/** A good answer that is encoded, and waits to be kept. The caller may change its objects meanwhile. */
export interface PendingAnswer {
  readonly material: KeyMaterial;
  readonly kept: KeptAnswer;
}

/** Most time of a turn of the event loop for keeping answers. A single answer may take longer. */
const LONGEST_SLICE_MS = 5;
const MOST_PENDING = 256;
const MOST_PENDING_BYTES = 16 * 2 ** 20;

/**
 * The queue of good answers that wait to be kept. Hashing and storing wait until the loop has run the calls of this turn, and
 * then take at most {@link LONGEST_SLICE_MS} of each turn. The queue is bounded in answers and in bytes.
 */
export class PendingAnswers {
  readonly #put: (pending: PendingAnswer) => void;
  readonly #clock: Clock;
  readonly #queue: PendingAnswer[] = [];
  #bytes = 0;
  /** The time of this turn that is used. */
  #spentMs = 0;
  #scheduled: NodeJS.Immediate | undefined;

  /** @param put keeps an answer; must not throw */
  constructor(put: (pending: PendingAnswer) => void, clock: Clock) {
    this.#put = put;
    this.#clock = clock;
  }

  get size(): number {
    return this.#queue.length;
  }

  /** Makes room in a full queue, as far as the time of this turn allows. */
  hasRoom(): boolean {
    if (this.#isFull) this.flush();
    return !this.#isFull;
  }

  get #isFull(): boolean {
    return this.#queue.length >= MOST_PENDING || this.#bytes >= MOST_PENDING_BYTES;
  }

  add(pending: PendingAnswer): void {
    this.#queue.push(pending);
    this.#bytes += bytesOf(pending);
    if (this.#scheduled !== undefined) return;
    this.#spentMs = 0;
    this.#schedule();
  }

  /** The newest answer to the same request that is still in the queue. */
  find(material: KeyMaterial): KeptAnswer | undefined {
    return this.#queue.findLast((pending) => isSameMaterial(pending.material, material))?.kept;
  }

  /** Keeps answers in order, while this turn has time; the others follow in the next turns. */
  flush(): void {
    if (this.#queue.length === 0) return;
    let nowMs = this.#clock.now();
    while (this.#spentMs < LONGEST_SLICE_MS) {
      const pending = this.#queue.shift();
      if (pending === undefined) return;
      this.#bytes -= bytesOf(pending);
      this.#put(pending);
      const startMs = nowMs;
      nowMs = this.#clock.now();
      this.#spentMs += nowMs - startMs;
    }
  }

  /** Flushes turn by turn until the queue is empty. */
  async drain(): Promise<void> {
    this.flush();
    while (this.#queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  clear(): void {
    this.#queue.length = 0;
    this.#bytes = 0;
  }

  #schedule(): void {
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.#spentMs = 0;
      this.flush();
      if (this.#queue.length > 0) this.#schedule();
    });
  }
}

function bytesOf({ material, kept }: PendingAnswer): number {
  return material.subject.length + kept.encoded.length;
}
