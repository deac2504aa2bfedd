import type { DeadJob } from '../queue.js';
import type { DurableWrites } from './durable-writes.js';
import { NOTHING, type Operation, storedDeadFrom } from './entries.js';
import { after, DEAD } from './keys.js';
import type { ReopeningLevel } from './reopening-level.js';

/** The newest dead jobs of a queue, at most `maxDead`. */
export class DeadJobs {
  readonly #level: ReopeningLevel;
  readonly #writes: DurableWrites;
  readonly #maxDead: number;
  #forgetting: Promise<void> | undefined;

  constructor(level: ReopeningLevel, writes: DurableWrites, maxDead: number) {
    this.#level = level;
    this.#writes = writes;
    this.#maxDead = maxDead;
  }

  /** Reads at most `limit` dead jobs, the oldest first. */
  async list(limit: number): Promise<DeadJob[]> {
    const db = await this.#level.ready();
    const dead: DeadJob[] = [];
    for await (const [key, text] of db.iterator({ gt: DEAD, lt: after(DEAD), limit })) {
      const job = storedDeadFrom(key, text);
      if (job !== undefined) dead.push(job);
    }
    return dead;
  }

  /**
   * Deletes the oldest jobs beyond `maxDead`, in one run at a time: two runs would count the same jobs. Never rejects: if the disk
   * fails, the surplus is deleted with the next dead job, and the next read or write reports the error of the disk.
   */
  forgetSurplus(): Promise<void> {
    this.#forgetting ??= this.#forget()
      .catch(() => undefined)
      .finally(() => {
        this.#forgetting = undefined;
      });
    return this.#forgetting;
  }

  async #forget(): Promise<void> {
    const surplus = () => this.#writes.totals.dead - this.#maxDead;
    for (let most = surplus(); most > 0; most = surplus()) {
      const db = await this.#level.ready();
      const keys = await db.keys({ gt: DEAD, lt: after(DEAD), limit: most }).all();
      if (keys.length === 0) return; // the surplus is still being written
      const operations = keys.map((key): Operation => ({ type: 'del', key }));
      await this.#writes.write({ ...NOTHING, dead: -keys.length, operations });
    }
  }
}
