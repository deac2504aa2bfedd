import { ClassicLevel } from 'classic-level';
import { checkInteger, checkKeys } from '../../../checks.js';
import { FailsoftError, invalid } from '../../../errors.js';
import { deadJobFrom, jobFrom, parse } from '../job-json.js';
import type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from '../queue.js';
import { DurableWrites, type Operation } from './durable-writes.js';
import { after, afterDue, DEAD, deadKeyOf, idOf, isJobKey, JOBS, keyOf } from './keys.js';

/** Options of {@link openLevelQueue}. */
export interface LevelQueueOptions {
  /** Jobs that it holds at most, dead ones not counted; one more is not accepted. @default 100000 */
  readonly maxJobs?: number;
  /** Dead jobs that it keeps; the oldest go first. @default 10000 */
  readonly maxDead?: number;
}

/**
 * Opens a queue in a directory of this machine, on LevelDB (`classic-level`, an optional peer), for one process at a time.
 * `enqueue` resolves when the disk has the job (fsync; jobs that come together share one).
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT; what LevelDB throws when the directory is in use or cannot be read
 */
export async function openLevelQueue(
  directory: string,
  options: LevelQueueOptions = {},
): Promise<DeferredQueue> {
  if (typeof directory !== 'string' || directory === '')
    throw invalid('openLevelQueue.directory', 'a path', directory);
  checkKeys('openLevelQueue', options, ['maxJobs', 'maxDead']);
  const maxJobs = checkInteger('openLevelQueue.maxJobs', options.maxJobs ?? 100_000, 1);
  const maxDead = checkInteger('openLevelQueue.maxDead', options.maxDead ?? 10_000, 0);
  const db = new ClassicLevel<string, string>(directory, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  await db.open();
  const queue = new LevelQueue(db, maxJobs, maxDead);
  await queue.count();
  return queue;
}

/** A look for jobs that are due, while it lasts. */
interface Look {
  /** The lowest key of a job that came to wait since it began. */
  lowestNew: string;
}

class LevelQueue implements DeferredQueue {
  readonly #db: ClassicLevel<string, string>;
  readonly #maxJobs: number;
  readonly #maxDead: number;
  /** The keys of the jobs taken by this process, by id. After a crash nobody has taken anything: all jobs wait again. */
  readonly #active = new Map<string, string>();
  #jobs = 0;
  #dead = 0;
  readonly #writes: DurableWrites;
  /**
   * No waiting job has a key below this one: LevelDB passes over each deleted entry one by one, and a queue leaves them
   * where the next look would begin.
   */
  #lowest = JOBS;
  readonly #looks = new Set<Look>();
  #forgetting: Promise<void> | undefined;

  constructor(db: ClassicLevel<string, string>, maxJobs: number, maxDead: number) {
    this.#db = db;
    this.#writes = new DurableWrites(db);
    this.#maxJobs = maxJobs;
    this.#maxDead = maxDead;
  }

  /** Counts what an earlier process left. */
  async count(): Promise<void> {
    for await (const key of this.#db.keys()) {
      if (key.startsWith(DEAD)) this.#dead++;
      else if (key.startsWith(JOBS)) {
        this.#jobs++;
        if (!isJobKey(key)) await this.#buryUnreadable(key, (await this.#db.get(key)) ?? '');
      }
    }
  }

  async enqueue(job: DeferredJob): Promise<void> {
    if (this.#jobs >= this.#maxJobs)
      throw new FailsoftError('FAILSOFT_REJECTED', `the deferred queue is full: ${this.#maxJobs} jobs`);
    this.#jobs++;
    try {
      const key = keyOf(job);
      await this.#writes.write([{ type: 'put', key, value: JSON.stringify(job) }]);
      this.#waits(key);
    } catch (error) {
      this.#jobs--;
      throw error;
    }
  }

  async withdraw(job: DeferredJob): Promise<boolean> {
    if (this.#active.has(job.id)) return false;
    const key = keyOf(job);
    this.#active.set(job.id, key); // nobody takes it meanwhile
    try {
      if ((await this.#db.get(key)) === undefined) return false;
      await this.#writes.write([{ type: 'del', key }]);
      this.#jobs--;
      return true;
    } finally {
      this.#release(job.id, key);
    }
  }

  async take(limit: number, nowMs: number): Promise<DeferredJob[]> {
    const taken: DeferredJob[] = [];
    const look: Look = { lowestNew: after(JOBS) };
    this.#looks.add(look);
    let passed = this.#lowest;
    try {
      for await (const key of this.#db.keys({ gte: passed, lt: afterDue(nowMs) })) {
        if (taken.length >= limit) break;
        const id = idOf(key);
        const activeKey = this.#active.get(id);
        if (activeKey === undefined) {
          const job = await this.#hold(id, key);
          if (job !== undefined) taken.push(job);
        } else if (activeKey !== key) {
          look.lowestNew = smaller(look.lowestNew, key); // somebody asks for it where it was, and will not find it
        }
        passed = key;
      }
    } catch (error) {
      for (const job of taken) this.#release(job.id, keyOf(job)); // nobody will hear of them
      throw error;
    } finally {
      this.#looks.delete(look);
    }
    // What came to wait behind this look's back is still to be found.
    const lowest = smaller(passed, look.lowestNew);
    if (lowest > this.#lowest) this.#lowest = lowest;
    return taken;
  }

  /** Takes a job; undefined when it is not there any more: the keys of a look are those of a moment ago. */
  async #hold(id: string, key: string): Promise<DeferredJob | undefined> {
    this.#active.set(id, key);
    let job: DeferredJob | undefined;
    try {
      job = await this.#read(key);
    } finally {
      if (job === undefined) this.#release(id, key);
    }
    return job;
  }

  /** A job under this key, if there is one, can be taken. */
  #release(id: string, key: string): void {
    this.#active.delete(id);
    this.#waits(key);
  }

  #waits(key: string): void {
    this.#lowest = smaller(this.#lowest, key);
    for (const look of this.#looks) look.lowestNew = smaller(look.lowestNew, key);
  }

  async #read(key: string): Promise<DeferredJob | undefined> {
    const text = await this.#db.get(key);
    if (text === undefined) return undefined;
    const job = jobFrom(parse(text));
    if (job === undefined) await this.#buryUnreadable(key, text);
    return job;
  }

  async complete(job: DeferredJob): Promise<void> {
    await this.#finish(job, []);
    this.#jobs--;
  }

  async putBack(job: DeferredJob): Promise<void> {
    const key = keyOf(job);
    await this.#finish(job, [{ type: 'put', key, value: JSON.stringify(job) }]);
    this.#waits(key);
  }

  async bury(job: DeferredJob, reason: string, nowMs: number): Promise<void> {
    const dead: DeadJob = { job, reason, diedAtMs: nowMs };
    await this.#finish(job, [{ type: 'put', key: deadKeyOf(job.id, nowMs), value: JSON.stringify(dead) }]);
    this.#jobs--;
    this.#dead++;
    await this.#forgetOldDead();
  }

  /** Takes a job from where it is, in one with what comes instead. One whose end could not be written waits again. */
  async #finish(job: DeferredJob, instead: readonly Operation[]): Promise<void> {
    const key = this.#active.get(job.id);
    if (key === undefined) throw invalid('job', 'one that this queue gave out', job.id);
    try {
      await this.#writes.write([{ type: 'del', key }, ...instead]);
    } catch (error) {
      this.#release(job.id, key);
      throw error;
    }
    this.#active.delete(job.id);
  }

  async dead(limit: number): Promise<DeadJob[]> {
    const dead: DeadJob[] = [];
    for await (const text of this.#db.values({ gt: DEAD, lt: after(DEAD), limit })) {
      const job = deadJobFrom(text);
      if (job !== undefined) dead.push(job);
    }
    return dead;
  }

  async counts(): Promise<QueueCounts> {
    return { waiting: this.#jobs - this.#active.size, active: this.#active.size, dead: this.#dead };
  }

  async close(): Promise<void> {
    await this.#writes.close();
    await this.#db.close();
  }

  /** What a damaged or foreign entry holds is kept among the dead, for people to look at. */
  async #buryUnreadable(key: string, text: string): Promise<void> {
    const value = JSON.stringify({ reason: 'unreadable', text });
    await this.#writes.write([
      { type: 'del', key },
      { type: 'put', key: deadKeyOf(key.slice(JOBS.length), 0), value },
    ]);
    this.#jobs--;
    this.#dead++;
    await this.#forgetOldDead();
  }

  /** One at a time: two would count the same ones. */
  #forgetOldDead(): Promise<void> {
    this.#forgetting ??= this.#forgetSurplus().finally(() => {
      this.#forgetting = undefined;
    });
    return this.#forgetting;
  }

  async #forgetSurplus(): Promise<void> {
    for (let surplus = this.#dead - this.#maxDead; surplus > 0; surplus = this.#dead - this.#maxDead) {
      const keys = await this.#db.keys({ gt: DEAD, lt: after(DEAD), limit: surplus }).all();
      await this.#writes.write(keys.map((key) => ({ type: 'del', key })));
      this.#dead -= keys.length;
    }
  }
}

function smaller(a: string, b: string): string {
  return a < b ? a : b;
}
