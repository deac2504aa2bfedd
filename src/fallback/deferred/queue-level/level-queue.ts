import type { ClassicLevel } from 'classic-level';
import type { Clock } from '../../../clock.js';
import { invalid } from '../../../errors.js';
import type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from '../queue.js';
import { DeadJobs } from './dead-jobs.js';
import { type Change, DurableWrites } from './durable-writes.js';
import { NOTHING, ONE_JOB, type Operation, plus, seal, storedJobFrom, type Totals } from './entries.js';
import type { Inventory } from './inventory.js';
import { after, afterDue, deadKeyOf, idOf, JOBS, keyOf, smaller } from './keys.js';
import { ReopeningLevel } from './reopening-level.js';
import { Schedule } from './schedule.js';

/** Bounds of a queue. */
export interface LevelQueueBounds {
  readonly maxJobs: number;
  readonly maxBytes: number;
  readonly maxDead: number;
}

/** A search for due jobs, while it runs. */
interface Look {
  /** The lowest key of a job that began to wait since the search began. */
  lowestNew: string;
}

/** Where a job is stored that this process has taken. */
interface Place {
  readonly key: string;
  readonly bytes: number;
}

/** A queue on an open LevelDB. */
export class LevelQueue implements DeferredQueue {
  readonly #bounds: LevelQueueBounds;
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #level: ReopeningLevel;
  readonly #writes: DurableWrites;
  readonly #dead: DeadJobs;
  readonly #onClose: () => void;
  /** The jobs taken by this process, by id. After a crash no job is taken: all wait again. */
  readonly #active = new Map<string, Place>();
  /**
   * No waiting job has a lower key, so a search begins here: LevelDB passes over deleted entries one by one, and a queue leaves
   * many of them before its first job.
   */
  #lowest = JOBS;
  readonly #looks = new Set<Look>();

  constructor(
    db: ClassicLevel<string, string>,
    found: Totals,
    bounds: LevelQueueBounds,
    clock: Clock,
    onClose: () => void,
  ) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#schedule = new Schedule(clock);
    this.#onClose = onClose;
    this.#level = new ReopeningLevel(db, found, clock, () => this.#waits(JOBS));
    this.#writes = new DurableWrites(this.#level);
    this.#dead = new DeadJobs(this.#level, this.#writes, bounds.maxDead);
  }

  /** Makes jobs that would wait too long, because the wall clock was set back, due after their delay from now on. */
  async reschedule(tooLate: Inventory['tooLate']): Promise<void> {
    const operations = tooLate.flatMap(({ key, stored }): Operation[] => {
      const newKey = keyOf(stored.job.id, this.#schedule.now() + stored.delayMs);
      return [
        { type: 'del', key },
        { type: 'put', key: newKey, value: seal(newKey, stored) },
      ];
    });
    if (operations.length > 0) await this.#writes.write({ ...NOTHING, operations });
  }

  async enqueue(job: DeferredJob): Promise<'accepted' | 'full'> {
    // checked before the job is encoded: a queue is full in an outage, when many calls want to use it
    if (!this.#hasRoomFor(job.request.length)) return 'full';
    const key = keyOf(job.id, job.acceptedAtMs);
    const value = seal(key, { job, delayMs: 0 });
    const change = { ...ONE_JOB, bytes: Buffer.byteLength(value) };
    if (!this.#hasRoomFor(change.bytes)) return 'full';
    await this.#writes.write({ ...change, operations: [{ type: 'put', key, value }] });
    this.#waits(key);
    return 'accepted';
  }

  #hasRoomFor(jobBytes: number): boolean {
    const { jobs, bytes } = this.#writes.totals;
    return jobs < this.#bounds.maxJobs && bytes + jobBytes <= this.#bounds.maxBytes;
  }

  async withdraw(job: DeferredJob): Promise<boolean> {
    if (this.#active.has(job.id)) return false;
    const key = keyOf(job.id, job.acceptedAtMs);
    this.#active.set(job.id, { key, bytes: 0 }); // so that `take()` passes over it meanwhile
    try {
      const db = await this.#level.ready();
      const text = await db.get(key);
      if (text === undefined) return false;
      const gone = plus(NOTHING, { ...ONE_JOB, bytes: Buffer.byteLength(text) }, -1);
      await this.#writes.write({ ...gone, operations: [{ type: 'del', key }] });
      return true;
    } finally {
      this.#release(job.id, key);
    }
  }

  async take(limit: number): Promise<DeferredJob[]> {
    const taken: DeferredJob[] = [];
    const look: Look = { lowestNew: after(JOBS) };
    this.#looks.add(look);
    let passed = this.#lowest;
    try {
      const db = await this.#level.ready();
      for await (const key of db.keys({ gte: passed, lt: afterDue(this.#schedule.now()) })) {
        if (taken.length >= limit) break;
        const id = idOf(key);
        const place = this.#active.get(id);
        if (place === undefined) {
          const job = await this.#hold(db, id, key);
          if (job !== undefined) taken.push(job);
        } else if (place.key !== key) {
          look.lowestNew = smaller(look.lowestNew, key); // a withdrawal has taken the id under another key, and will not find the job there
        }
        passed = key;
      }
    } catch (error) {
      for (const { id } of taken) this.#release(id, this.#active.get(id)?.key ?? JOBS); // the caller gets none of them
      throw error;
    } finally {
      this.#looks.delete(look);
    }
    // Jobs that began to wait below the position of this search are left for the next.
    const lowest = smaller(passed, look.lowestNew);
    if (lowest > this.#lowest) this.#lowest = lowest;
    return taken;
  }

  /** Takes a job; undefined when it is not there any more, because the keys of a search are a moment old. */
  async #hold(db: ClassicLevel<string, string>, id: string, key: string): Promise<DeferredJob | undefined> {
    this.#active.set(id, { key, bytes: 0 });
    let job: DeferredJob | undefined;
    try {
      const text = await db.get(key);
      if (text === undefined) return undefined;
      const bytes = Buffer.byteLength(text);
      job = storedJobFrom(key, text)?.job;
      if (job === undefined) await this.#buryUnreadable(key, text, bytes);
      else this.#active.set(id, { key, bytes });
    } finally {
      if (job === undefined) this.#release(id, key);
    }
    return job;
  }

  /** Lets the job under this key, if there is one, be taken again. */
  #release(id: string, key: string): void {
    this.#active.delete(id);
    this.#waits(key);
  }

  #waits(key: string): void {
    this.#lowest = smaller(this.#lowest, key);
    for (const look of this.#looks) look.lowestNew = smaller(look.lowestNew, key);
  }

  async save(job: DeferredJob): Promise<void> {
    const { key, bytes } = this.#placeOf(job);
    const value = seal(key, { job, delayMs: 0 });
    const grown = Buffer.byteLength(value) - bytes;
    await this.#writes.write({ ...NOTHING, bytes: grown, operations: [{ type: 'put', key, value }] });
    this.#active.set(job.id, { key, bytes: bytes + grown });
  }

  async complete(job: DeferredJob): Promise<void> {
    await this.#finish(job, { ...NOTHING, operations: [] });
  }

  async putBack(job: DeferredJob, delayMs: number): Promise<void> {
    const key = keyOf(job.id, this.#schedule.now() + delayMs);
    const value = seal(key, { job, delayMs });
    const bytes = Buffer.byteLength(value);
    await this.#finish(job, { ...ONE_JOB, bytes, operations: [{ type: 'put', key, value }] });
    this.#waits(key);
  }

  async bury(job: DeferredJob, reason: string): Promise<void> {
    const diedAtMs = this.#clock.epochMs();
    const key = deadKeyOf(job.id, diedAtMs);
    const value = seal(key, { job, reason, diedAtMs });
    await this.#finish(job, { ...NOTHING, dead: 1, operations: [{ type: 'put', key, value }] });
    await this.#dead.forgetSurplus();
  }

  #placeOf(job: DeferredJob): Place {
    const place = this.#active.get(job.id);
    if (place === undefined) throw invalid('job', 'a job that this queue gave out', job.id);
    return place;
  }

  /** Deletes a taken job and makes the change that takes its place, in one batch. If that fails, the job waits again. */
  async #finish(job: DeferredJob, instead: Change): Promise<void> {
    const { key, bytes } = this.#placeOf(job);
    const operations: Operation[] = [{ type: 'del', key }, ...instead.operations];
    try {
      await this.#writes.write({ ...plus(instead, { ...ONE_JOB, bytes }, -1), operations });
    } catch (error) {
      this.#release(job.id, key);
      throw error;
    }
    this.#active.delete(job.id);
  }

  dead(limit: number): Promise<DeadJob[]> {
    return this.#dead.list(limit);
  }

  async counts(): Promise<QueueCounts> {
    const { jobs, bytes, dead } = this.#writes.totals;
    const active = this.#active.size;
    return { waiting: jobs - active, active, dead, bytes };
  }

  async close(): Promise<void> {
    await this.#writes.close();
    try {
      await this.#level.close();
    } finally {
      this.#onClose();
    }
  }

  /** Keeps the text of a damaged entry as a dead job, for a person to examine. */
  async #buryUnreadable(key: string, text: string, bytes: number): Promise<void> {
    const deadKey = deadKeyOf(idOf(key), this.#clock.epochMs());
    const value = seal(deadKey, { reason: 'unreadable', text });
    const operations: Operation[] = [
      { type: 'del', key },
      { type: 'put', key: deadKey, value },
    ];
    await this.#writes.write({ jobs: -1, bytes: -bytes, dead: 1, operations });
    await this.#dead.forgetSurplus();
  }
}
