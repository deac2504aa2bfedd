import { FailsoftError } from '../../../errors.js';
import { NOTHING, type Operation, plus, seal, type Totals } from './entries.js';
import { TOTALS } from './keys.js';
import type { ReopeningLevel } from './reopening-level.js';

/** Writes that belong together, and by how much they change the totals. */
export interface Change extends Totals {
  readonly operations: readonly Operation[];
}

interface Writer {
  readonly change: Change;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes to a LevelDB so that the changes survive the process. All changes that wait share a batch and its fsync; while a batch is
 * written, further changes collect.
 */
export class DurableWrites {
  readonly #level: ReopeningLevel;
  #waiting: Writer[] = [];
  /** The sum of the changes that wait or are being written. */
  #pending: Totals = NOTHING;
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(level: ReopeningLevel) {
    this.#level = level;
  }

  /** The totals as they will be when all waiting changes are written. */
  get totals(): Totals {
    return plus(this.#level.totals, this.#pending);
  }

  /**
   * Resolves when the change is on the disk, which has all of it or nothing.
   * @throws FailsoftError FAILSOFT_CLOSED, FAILSOFT_UNAVAILABLE, or LevelDB's own error, as a rejection
   */
  write(change: Change): Promise<void> {
    if (this.#closed)
      return Promise.reject(new FailsoftError('FAILSOFT_CLOSED', 'the deferred queue is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
      this.#pending = plus(this.#pending, change);
      if (!this.#isWriting) this.#written = this.#writeAll();
    });
  }

  /** Accepts no more changes, and waits for those that are under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#written;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const writers = this.#waiting;
      this.#waiting = [];
      const changes = writers.reduce((sum, writer) => plus(sum, writer.change), NOTHING);
      const outcome = await this.#writeBatch(writers, changes);
      this.#pending = plus(this.#pending, changes, -1);
      for (const writer of writers) {
        if (outcome === 'written') writer.resolve();
        else writer.reject(outcome.error);
      }
    }
    this.#isWriting = false; // in the same turn as the last look: no change waits for a loop that has ended
  }

  async #writeBatch(writers: readonly Writer[], changes: Totals): Promise<'written' | { error: unknown }> {
    try {
      const db = await this.#level.ready(); // first: it may read the totals again
      const totals = plus(this.#level.totals, changes);
      const operations = writers.flatMap((writer) => writer.change.operations);
      operations.push({ type: 'put', key: TOTALS, value: seal(TOTALS, totals) });
      await this.#level.batch(db, operations, totals);
      return 'written';
    } catch (error) {
      return { error };
    }
  }
}
