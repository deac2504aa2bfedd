import { randomUUID } from 'node:crypto';
import { type ConnectionOptions, type Job, Queue, Worker } from 'bullmq';
import { checkInteger, checkKeys, checkNumber } from '../../../checks.js';
import { invalid } from '../../../errors.js';
import { warn } from '../../../telemetry/emitter.js';
import { jobFrom } from '../job-json.js';
import type { DeadJob, DeferredJob, DeferredQueue, QueueCounts } from '../queue.js';

/** Options of {@link openBullQueue}. */
export interface BullQueueOptions {
  /** BullMQ's own: `{ url }`, `{ host, port }`, or a client of ioredis. */
  readonly connection: ConnectionOptions;
  /** Prefix of all keys in Redis. @default 'bull' (BullMQ's) */
  readonly prefix?: string;
  /**
   * How long a job that was taken is this process's, in milliseconds. It has to be longer than a replay and its `onResult`
   * take; the jobs of a process that died wait again after it. @default 60000
   */
  readonly leaseMs?: number;
  /** Dead jobs that it keeps. @default 10000 */
  readonly maxDead?: number;
  /** Hears the errors of the connections. @default none */
  readonly onError?: (error: Error) => void;
}

/**
 * Opens a queue on Redis, through BullMQ (an optional peer, with ioredis), for any number of processes. What `enqueue` has
 * resolved for is as durable as that Redis is: see `appendfsync` in its configuration.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function openBullQueue(name: string, options: BullQueueOptions): DeferredQueue {
  if (typeof name !== 'string' || name === '' || name.includes(':'))
    throw invalid('openBullQueue.name', 'a name without ":"', name);
  checkKeys('openBullQueue', options, ['connection', 'prefix', 'leaseMs', 'maxDead', 'onError']);
  return new BullQueue(name, options);
}

class BullQueue implements DeferredQueue {
  readonly #queue: Queue<DeferredJob>;
  readonly #worker: Worker<DeferredJob>;
  readonly #maxDead: number;
  readonly #active = new Map<string, Job<DeferredJob>>();
  /** Of this process: only the holder of a job's lock can move it. */
  readonly #token = randomUUID();
  #checking: Promise<void> | undefined;

  constructor(name: string, options: BullQueueOptions) {
    const leaseMs = checkNumber('openBullQueue.leaseMs', options.leaseMs ?? 60_000, 100);
    this.#maxDead = checkInteger('openBullQueue.maxDead', options.maxDead ?? 10_000, 0);
    const { connection } = options;
    const common = options.prefix === undefined ? { connection } : { connection, prefix: options.prefix };
    this.#queue = new Queue(name, common);
    // Without a processor: jobs are taken one by one. A job whose holder died is never given up for that.
    this.#worker = new Worker(name, null, {
      ...common,
      lockDuration: leaseMs,
      stalledInterval: leaseMs / 2,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    const onError = options.onError ?? (() => undefined);
    this.#queue.on('error', onError);
    this.#worker.on('error', onError);
  }

  async enqueue(job: DeferredJob): Promise<void> {
    await this.#queue.add('deferred', job, {
      jobId: job.id,
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: { count: this.#maxDead },
    });
  }

  async withdraw(job: DeferredJob): Promise<boolean> {
    const held = await this.#queue.getJob(job.id);
    if (held === undefined || (await held.isFailed())) return false; // a dead one stays for people to look at
    return (await this.#queue.remove(job.id)) > 0; // one that is locked stays
  }

  async take(limit: number, _nowMs: number): Promise<DeferredJob[]> {
    this.#checking ??= this.#worker.startStalledCheckTimer().catch((error: unknown) => {
      this.#checking = undefined; // Redis is down: the next take tries again
      warn(error);
    });
    const taken: DeferredJob[] = [];
    while (taken.length < limit) {
      const found = await this.#worker.getNextJob(this.#token, { block: false });
      if (found === undefined) break;
      const job = jobFrom(found.data);
      if (job === undefined) await found.moveToFailed(new Error('unreadable'), this.#token, false);
      else {
        this.#active.set(job.id, found);
        taken.push(job);
      }
    }
    return taken;
  }

  async complete(job: DeferredJob): Promise<void> {
    await this.#finish(job, (held) => held.moveToCompleted(undefined, this.#token, false));
  }

  async putBack(job: DeferredJob): Promise<void> {
    await this.#finish(job, async (held) => {
      await held.updateData(job);
      if (job.notBeforeMs <= Date.now()) await held.moveToWait(this.#token);
      else await held.moveToDelayed(job.notBeforeMs, this.#token);
    });
  }

  async bury(job: DeferredJob, reason: string, _nowMs: number): Promise<void> {
    await this.#finish(job, (held) => held.moveToFailed(new Error(reason), this.#token, false));
  }

  async dead(limit: number): Promise<DeadJob[]> {
    if (limit < 1) return [];
    const oldestFirst = true;
    const failed = await this.#queue.getJobs('failed', 0, limit - 1, oldestFirst);
    return failed.flatMap(({ data, failedReason, finishedOn }) => {
      const job = jobFrom(data);
      return job === undefined ? [] : [{ job, reason: failedReason, diedAtMs: finishedOn ?? 0 }];
    });
  }

  async counts(): Promise<QueueCounts> {
    const counts = await this.#queue.getJobCounts('waiting', 'delayed', 'active', 'failed');
    const of = (state: string) => counts[state] ?? 0;
    return { waiting: of('waiting') + of('delayed'), active: of('active'), dead: of('failed') };
  }

  async close(): Promise<void> {
    await this.#worker.close(true);
    await this.#queue.close();
  }

  /** The lock may be gone (the lease was too short): then another process has the job, and that is theirs to finish. */
  async #finish(job: DeferredJob, move: (held: Job<DeferredJob>) => Promise<unknown>): Promise<void> {
    const held = this.#active.get(job.id);
    if (held === undefined) throw invalid('job', 'one that this queue gave out', job.id);
    this.#active.delete(job.id);
    await move(held);
  }
}
