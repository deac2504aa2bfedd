import type { ClassicLevel } from 'classic-level';
import { FailsoftError } from '../../../errors.js';

export type Operation = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

interface Writer {
  readonly operations: readonly Operation[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Writes to a LevelDB that survive the process: one fsync for all that wait; while one batch is written, the next collects. */
export class DurableWrites {
  readonly #db: ClassicLevel<string, string>;
  #waiting: Writer[] = [];
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(db: ClassicLevel<string, string>) {
    this.#db = db;
  }

  /** Resolves when the disk has all of it; it has all or nothing. @throws FailsoftError FAILSOFT_CLOSED */
  write(operations: readonly Operation[]): Promise<void> {
    if (this.#closed)
      return Promise.reject(new FailsoftError('FAILSOFT_CLOSED', 'the deferred queue is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, resolve, reject });
      if (!this.#isWriting) this.#written = this.#writeAll();
    });
  }

  /** Takes no more, and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#written;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const writers = this.#waiting;
      this.#waiting = [];
      try {
        await this.#db.batch(
          writers.flatMap((writer) => writer.operations),
          { sync: true },
        );
        for (const writer of writers) writer.resolve();
      } catch (error) {
        for (const writer of writers) writer.reject(error);
      }
    }
    this.#isWriting = false; // in the very turn of the last look: nobody waits for a writing that has ended
  }
}
