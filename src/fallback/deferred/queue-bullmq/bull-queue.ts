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

/** The most jobs of this process that may be on their way to Redis, unanswered; further jobs are declined. */
const MAX_UNANSWERED_JOBS = 1_000;
const MAX_UNANSWERED_BYTES = 16 * 2 ** 20;

/** A queue on Redis, through BullMQ. */
export class BullQueue implements DeferredQueue {
  readonly #settings: BullSettings;
  readonly #link: RedisLink;
  readonly #active = new Map<string, Job<DeferredJob>>();
  readonly #steps = new ClockSteps(systemClock); // BullMQ reads the system's clock
  /** Names this process as the holder of a job's lock: only the holder can move the job. */
  readonly #token = randomUUID();
  /** Whether the clock was set back, and the delayed jobs were not made due yet. */
  #mustPromote = false;
  #bull: Promise<Bull> | undefined;
  #unansweredJobs = 0;
  #unansweredBytes = 0;

  constructor(link: RedisLink, settings: BullSettings) {
    this.#link = link;
    this.#settings = settings;
    link.client.on('error', settings.onError);
    this.#run(async () => undefined).catch(() => undefined); // begins to connect; the first use reports an error
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
      if (held !== undefined && (await held.isFailed())) return false; // a dead job stays, for a person to examine
      const removed = held !== undefined && (await queue.remove(job.id)) > 0; // a locked job stays
      if (removed || held === undefined) await budget.release(job.id);
      return removed;
    });
  }

  take(limit: number): Promise<DeferredJob[]> {
    return this.#run(async ({ queue, worker }) => {
      // If the clock was set back by an hour, a job with a delay of a second would wait for an hour.
      if (this.#steps.wasSetBack()) this.#mustPromote = true;
      if (this.#mustPromote) {
        await queue.promoteJobs();
        this.#mustPromote = false; // only now: Redis may have failed
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
      await held.extendLock(this.#token, this.#settings.leaseMs); // the lease begins here; this fails where it has run out
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
    // Operations that are under way fail with the connection, and so does a `connect` that is under way.
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
    // The worker has no processor, because jobs are taken one by one, and no connection of its own, on which it would wait for
    // jobs. `maxStalledCount`: no job is given up because its holder died.
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
    if (held === undefined) throw invalid('job', 'a job that this queue gave out', job.id);
    return held;
  }

  /** Moves a job to its end. Fails where the lock is gone (the lease was too short): then another process has the job. */
  async #finish(job: DeferredJob, move: (held: Job<DeferredJob>) => Promise<unknown>): Promise<void> {
    const held = this.#heldOf(job);
    this.#active.delete(job.id);
    await this.#run(() => move(held));
  }

  /** Gives the reservation of a finished job back. Never rejects: the job is finished all the same. */
  async #release(job: DeferredJob): Promise<void> {
    try {
      await this.#run(({ budget }) => budget.release(job.id));
    } catch (error) {
      this.#settings.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
