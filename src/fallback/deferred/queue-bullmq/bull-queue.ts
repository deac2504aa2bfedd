import { randomUUID } from 'node:crypto';
import { createRedisBackend, type Job, Queue, Worker } from 'bullmq';
import { systemClock } from '../../../clock.js';
import { invalid } from '../../../errors.js';
import { ClockSteps } from '../clock-steps.js';
import { jobFrom, sizeOf } from '../job-json.js';
import type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from '../queue.js';
import { Budget, type BudgetBounds } from './budget.js';
import type { RedisLink } from './redis-link.js';

/** The checked options of a queue. */
export interface BullSettings extends BudgetBounds {
  readonly name: string;
  readonly prefix: string;
  readonly leaseMs: number;
  readonly maxDead: number;
  readonly onError: (error: Error) => void;
}

/** BullMQ's objects, once they are connected. */
interface Bull {
  readonly queue: Queue<DeferredJob>;
  readonly worker: Worker<DeferredJob>;
  readonly budget: Budget;
}

/** Jobs that may be on their way to Redis, unanswered, in this process; over that, they are declined. */
const MAX_UNANSWERED_JOBS = 1_000;
const MAX_UNANSWERED_BYTES = 16 * 2 ** 20;

/** A queue on Redis, through BullMQ. */
export class BullQueue implements DeferredQueue {
  readonly #settings: BullSettings;
  readonly #link: RedisLink;
  readonly #active = new Map<string, Job<DeferredJob>>();
  readonly #steps = new ClockSteps(systemClock); // BullMQ reads the system's clock
  /** Of this process: only the holder of a job's lock can move it. */
  readonly #token = randomUUID();
  /** The clock was set back, and the jobs that wait for a time were not made due yet. */
  #mustPromote = false;
  #bull: Promise<Bull> | undefined;
  #unansweredJobs = 0;
  #unansweredBytes = 0;

  constructor(link: RedisLink, settings: BullSettings) {
    this.#link = link;
    this.#settings = settings;
    link.client.on('error', settings.onError);
    this.#run(async () => undefined).catch(() => undefined); // connects; the first use says what is wrong
  }

  async enqueue(job: DeferredJob): Promise<'accepted' | 'full'> {
    const size = sizeOf(job);
    if (this.#unansweredJobs >= MAX_UNANSWERED_JOBS || this.#unansweredBytes + size > MAX_UNANSWERED_BYTES)
      return 'full';
    this.#unansweredJobs++;
    this.#unansweredBytes += size;
    try {
      return await this.#run(async (bull) => {
        if (!(await bull.budget.reserve(job.id, size))) return 'full';
        await bull.queue.add('deferred', job, {
          jobId: job.id,
          attempts: 1,
          removeOnComplete: true,
          removeOnFail: { count: this.#settings.maxDead },
        });
        return 'accepted';
      });
    } finally {
      this.#unansweredJobs--;
      this.#unansweredBytes -= size;
    }
  }

  withdraw(job: DeferredJob): Promise<boolean> {
    return this.#run(async ({ queue, budget }) => {
      const held = await queue.getJob(job.id);
      if (held !== undefined && (await held.isFailed())) return false; // a dead one stays for people to look at
      const removed = held !== undefined && (await queue.remove(job.id)) > 0; // one that is locked stays
      if (removed || held === undefined) await budget.release(job.id);
      return removed;
    });
  }

  take(limit: number): Promise<DeferredJob[]> {
    return this.#run(async ({ queue, worker }) => {
      // By a clock that was set back, a job that waits for a second would wait for an hour.
      if (this.#steps.wasSetBack()) this.#mustPromote = true;
      if (this.#mustPromote) {
        await queue.promoteJobs();
        this.#mustPromote = false; // not before: Redis may have failed
      }
      const taken: DeferredJob[] = [];
      while (taken.length < limit) {
        const found = await worker.getNextJob(this.#token, { block: false });
        if (found === undefined) break;
        const job = jobFrom(found.data);
        if (job === undefined) await found.moveToFailed(new Error('unreadable'), this.#token, false);
        else {
          this.#active.set(job.id, found);
          taken.push(job);
        }
      }
      return taken;
    });
  }

  save(job: DeferredJob): Promise<void> {
    const held = this.#heldOf(job);
    return this.#run(async () => {
      await held.extendLock(this.#token, this.#settings.leaseMs); // the lease counts from here; it fails when it has run out
      await held.updateData(job);
    });
  }

  async complete(job: DeferredJob): Promise<void> {
    await this.#finish(job, (held) => held.moveToCompleted(undefined, this.#token, false));
    await this.#release(job);
  }

  putBack(job: DeferredJob, delayMs: number): Promise<void> {
    return this.#finish(job, async (held) => {
      await held.updateData(job);
      if (delayMs <= 0) await held.moveToWait(this.#token);
      else await held.moveToDelayed(Date.now() + Math.ceil(delayMs), this.#token); // by the clock that BullMQ reads
    });
  }

  async bury(job: DeferredJob, reason: string): Promise<void> {
    await this.#finish(job, async (held) => {
      await held.updateData(job);
      await held.moveToFailed(new Error(reason), this.#token, false);
    });
    await this.#release(job);
  }

  async dead(limit: number): Promise<DeadJob[]> {
    if (limit < 1) return [];
    const oldestFirst = true;
    const failed = await this.#run(({ queue }) => queue.getJobs('failed', 0, limit - 1, oldestFirst));
    return failed.flatMap(({ data, failedReason, finishedOn }) => {
      const job = jobFrom(data);
      return job === undefined ? [] : [{ job, reason: failedReason, diedAtMs: finishedOn ?? 0 }];
    });
  }

  counts(): Promise<QueueCounts> {
    return this.#run(async ({ queue, budget }) => {
      const counts = await queue.getJobCounts('waiting', 'delayed', 'active', 'failed');
      const of = (state: string) => counts[state] ?? 0;
      const waiting = of('waiting') + of('delayed');
      return { waiting, active: of('active'), dead: of('failed'), bytes: await budget.bytes() };
    });
  }

  async close(): Promise<void> {
    const bull = this.#bull;
    this.#link.close();
    // What is under way fails with the connection, and so does what is still being made.
    const made = await bull?.catch(() => undefined);
    await made?.worker.close(true);
    await made?.queue.close();
  }

  #run<T>(work: (bull: Bull) => Promise<T>): Promise<T> {
    return this.#link.run(async () => {
      this.#bull ??= this.#connect().catch((error: unknown) => {
        this.#bull = undefined; // the next use tries again
        throw error;
      });
      return work(await this.#bull);
    });
  }

  async #connect(): Promise<Bull> {
    const { name, prefix, leaseMs, onError, maxJobs, maxBytes } = this.#settings;
    const common = { connection: this.#link.client, prefix };
    const queue = new Queue<DeferredJob>(name, common);
    // Without a processor: jobs are taken one by one. A job whose holder died is never given up for that. Without the
    // connection of its own that it would wait for jobs on.
    const worker = new Worker<DeferredJob>(
      name,
      null,
      {
        ...common,
        lockDuration: leaseMs,
        stalledInterval: leaseMs / 2,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
      },
      (queueName, options) => createRedisBackend(queueName, options, {}),
    );
    queue.on('error', onError);
    worker.on('error', onError);
    try {
      await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
      await worker.startStalledCheckTimer();
    } catch (error) {
      await Promise.all([worker.close(true), queue.close()]);
      throw error;
    }
    const keys = { sizes: queue.toKey('failsoft-sizes'), bytes: queue.toKey('failsoft-bytes') };
    const budget = new Budget(
      this.#link.client,
      { ...keys, failed: queue.toKey('failed'), job: (id) => queue.toKey(id) },
      { maxJobs, maxBytes },
    );
    return { queue, worker, budget };
  }

  #heldOf(job: DeferredJob): Job<DeferredJob> {
    const held = this.#active.get(job.id);
    if (held === undefined) throw invalid('job', 'one that this queue gave out', job.id);
    return held;
  }

  /** The lock may be gone (the lease was too short): then another process has the job, and that is theirs to finish. */
  async #finish(job: DeferredJob, move: (held: Job<DeferredJob>) => Promise<unknown>): Promise<void> {
    const held = this.#heldOf(job);
    this.#active.delete(job.id);
    await this.#run(() => move(held));
  }

  /** The job is finished whether or not its reservation can be given back now. */
  async #release(job: DeferredJob): Promise<void> {
    try {
      await this.#run(({ budget }) => budget.release(job.id));
    } catch (error) {
      this.#settings.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
