/** A request that was accepted, to be predicted later. Plain JSON. */
export interface DeferredJob {
  /** Sorts by the time of acceptance; the idempotency key of every replay. */
  readonly id: string;
  /** The method's path. */
  readonly method: string;
  /** The request's protobuf bytes, in base64. */
  readonly request: string;
  /** The part of the caller's metadata that was kept; values of `-bin` keys in base64. */
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** Milliseconds since the epoch. */
  readonly acceptedAtMs: number;
  /** Milliseconds since the epoch. Past this time the job is not replayed any more. */
  readonly expiresAtMs: number;
  /** Replays that have begun. Each is counted, durably, before it begins. */
  readonly replays: number;
  /** Replays that failed because of the job itself. */
  readonly failures: number;
  /** Replays that ended in an outage, which is not the job's fault. */
  readonly excused: number;
}

/** The number of replays that began and never ended, because the process died during each of them. */
export function unfinished(job: DeferredJob): number {
  return Math.max(0, job.replays - job.failures - job.excused);
}

/** A job that was given up, with the reason. */
export interface DeadJob {
  /** The job, as it was last tried. */
  readonly job: DeferredJob;
  /** The reason, in words. */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly diedAtMs: number;
}

/** How many jobs a queue holds. */
export interface QueueCounts {
  /** Jobs that wait, including those that are not due yet. */
  readonly waiting: number;
  /** Jobs that were taken and are not finished. */
  readonly active: number;
  /** Dead jobs: given up. */
  readonly dead: number;
  /** The size of the waiting and active jobs, in bytes of their JSON. */
  readonly bytes: number;
}

/**
 * Holds accepted requests. A job that `enqueue` has accepted outlasts the process. A job that was taken, and not completed,
 * put back or buried before the process died, waits again. Every method ends within a time limit of the queue, also while
 * its store does not answer.
 */
export interface DeferredQueue {
  /**
   * Resolves when the job is as durable as the queue makes it, or with `'full'` when the queue holds `maxJobs` or `maxBytes`:
   * then it is not accepted.
   * @throws when the store fails: then the job is not accepted either
   */
  enqueue(job: DeferredJob): Promise<'accepted' | 'full'>;
  /** Takes back a job that was accepted; false when it is too late, because a drainer has taken it. */
  withdraw(job: DeferredJob): Promise<boolean>;
  /** Takes up to `limit` due jobs; the job that has been due for longest comes first. */
  take(limit: number): Promise<DeferredJob[]>;
  // The next four functions are for jobs that were taken.
  /** Writes the job as it is now, and keeps it taken. Resolves when that is as durable as an `enqueue`. */
  save(job: DeferredJob): Promise<void>;
  /** Forgets the job: it is done. When this fails, the job waits again (at once, or after a lease). */
  complete(job: DeferredJob): Promise<void>;
  /**
   * Puts the job back as it is now, due after `delayMs` milliseconds, however the wall clock is set meanwhile. When this
   * fails, the job waits again (at once, or after a lease).
   */
  putBack(job: DeferredJob, delayMs: number): Promise<void>;
  /** Gives the job up. When this fails, the job waits again (at once, or after a lease). */
  bury(job: DeferredJob, reason: string): Promise<void>;
  /** The dead jobs, the oldest first. */
  dead(limit: number): Promise<DeadJob[]>;
  /** How many jobs the queue holds now. */
  counts(): Promise<QueueCounts>;
  /** Closes files and connections. Jobs that were taken and not finished wait again. */
  close(): Promise<void>;
}
