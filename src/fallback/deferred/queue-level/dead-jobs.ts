import type { DeadJob } from '../queue.js';
import type { DurableWrites } from './durable-writes.js';
import { NOTHING, type Operation, storedDeadFrom } from './entries.js';
import { after, DEAD } from './keys.js';
import type { ReopeningLevel } from './reopening-level.js';

/** The dead jobs of a queue: the newest of them. */
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

  /** The job first that has been dead for longest. */
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
   * Deletes the oldest over `maxDead`. One deletion at a time: two would count the same jobs. Never rejects: what the disk does not
   * let it delete goes with the next dead job, and the next read or write tells of the disk.
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
      if (keys.length === 0) return; // those that are still being written come next
      const operations = keys.map((key): Operation => ({ type: 'del', key }));
      await this.#writes.write({ ...NOTHING, dead: -keys.length, operations });
    }
  }
}
