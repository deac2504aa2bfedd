import { ClassicLevel } from 'classic-level';
import { checkInteger, checkKeys } from '../../checks.js';
import { FailsoftError, invalid } from '../../errors.js';
import { deadJobFrom, jobFrom, parse } from '../deferred/job-json.js';
import type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from '../deferred/queue.js';

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

type Operation = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

interface Writer {
  readonly operations: readonly Operation[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const JOBS = 'job!';
const DEAD = 'dead!';

class LevelQueue implements DeferredQueue {
  readonly #db: ClassicLevel<string, string>;
  readonly #maxJobs: number;
  readonly #maxDead: number;
  /** Taken by this process. After a crash nobody has taken anything: all jobs wait again. */
  readonly #active = new Set<string>();
  #jobs = 0;
  #dead = 0;
  #waitingWrites: Writer[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(db: ClassicLevel<string, string>, maxJobs: number, maxDead: number) {
    this.#db = db;
    this.#maxJobs = maxJobs;
    this.#maxDead = maxDead;
  }

  async count(): Promise<void> {
    for await (const key of this.#db.keys()) {
      if (key.startsWith(JOBS)) this.#jobs++;
      else if (key.startsWith(DEAD)) this.#dead++;
    }
  }

  async enqueue(job: DeferredJob): Promise<void> {
    if (this.#jobs >= this.#maxJobs)
      throw new FailsoftError('FAILSOFT_REJECTED', `the deferred queue is full: ${this.#maxJobs} jobs`);
    this.#jobs++;
    try {
      await this.#write([{ type: 'put', key: JOBS + job.id, value: JSON.stringify(job) }]);
    } catch (error) {
      this.#jobs--;
      throw error;
    }
  }

  async take(limit: number, nowMs: number): Promise<DeferredJob[]> {
    const taken: DeferredJob[] = [];
    for await (const key of this.#db.keys({ gt: JOBS, lt: after(JOBS) })) {
      if (taken.length >= limit) break;
      const id = key.slice(JOBS.length);
      if (this.#active.has(id)) continue;
      this.#active.add(id);
      // The keys are those of a moment ago: a job may have been completed or put back since.
      const job = await this.#read(key);
      if (job !== undefined && job.notBeforeMs <= nowMs) taken.push(job);
      else this.#active.delete(id);
    }
    return taken;
  }

  async #read(key: string): Promise<DeferredJob | undefined> {
    const text = await this.#db.get(key);
    if (text === undefined) return undefined;
    const job = jobFrom(parse(text));
    if (job === undefined) await this.#buryUnreadable(key, text);
    return job;
  }

  async complete(job: DeferredJob): Promise<void> {
    await this.#write([{ type: 'del', key: JOBS + job.id }]);
    if (this.#active.delete(job.id)) this.#jobs--;
  }

  async putBack(job: DeferredJob): Promise<void> {
    await this.#write([{ type: 'put', key: JOBS + job.id, value: JSON.stringify(job) }]);
    this.#active.delete(job.id);
  }

  async bury(job: DeferredJob, reason: string, nowMs: number): Promise<void> {
    const dead: DeadJob = { job, reason, diedAtMs: nowMs };
    await this.#write([
      { type: 'del', key: JOBS + job.id },
      { type: 'put', key: DEAD + job.id, value: JSON.stringify(dead) },
    ]);
    if (this.#active.delete(job.id)) this.#jobs--;
    this.#dead++;
    await this.#forgetOldDead();
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
    this.#closed = true;
    await this.#writing;
    await this.#db.close();
  }

  /** What a damaged or foreign entry holds is kept among the dead, for people to look at. */
  async #buryUnreadable(key: string, text: string): Promise<void> {
    const value = JSON.stringify({ reason: 'unreadable', text });
    await this.#write([
      { type: 'del', key },
      { type: 'put', key: DEAD + key.slice(JOBS.length), value },
    ]);
    this.#jobs--;
    this.#dead++;
  }

  async #forgetOldDead(): Promise<void> {
    const surplus = this.#dead - this.#maxDead;
    if (surplus <= 0) return;
    const keys = await this.#db.keys({ gt: DEAD, lt: after(DEAD), limit: surplus }).all();
    await this.#write(keys.map((key) => ({ type: 'del', key })));
    this.#dead -= keys.length;
  }

  /** One fsync for all that wait: while one batch is written, the next collects. */
  #write(operations: readonly Operation[]): Promise<void> {
    if (this.#closed)
      return Promise.reject(new FailsoftError('FAILSOFT_CLOSED', 'the deferred queue is closed'));
    return new Promise((resolve, reject) => {
      this.#waitingWrites.push({ operations, resolve, reject });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waitingWrites.length > 0) {
      const writers = this.#waitingWrites;
      this.#waitingWrites = [];
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
  }
}

/** The first key behind all that begin with the prefix. */
function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
