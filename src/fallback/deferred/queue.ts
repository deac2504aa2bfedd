/** A request that was accepted, to be predicted later. Plain JSON. */
export interface DeferredJob {
  /** Sorts by the time of acceptance; the idempotency key of every replay. */
  readonly id: string;
  /** The method's path. */
  readonly method: string;
  /** The request's protobuf bytes, in base64. */
  readonly request: string;
  /** What was kept of the caller's metadata; values of `-bin` keys in base64. */
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** Milliseconds since the epoch, as the other times. */
  readonly acceptedAtMs: number;
  /** After which it is not replayed any more. */
  readonly expiresAtMs: number;
  /** Replays that failed. */
  readonly attempts: number;
  /** Not to be replayed before. */
  readonly notBeforeMs: number;
}

/** A job that was given up, and why. */
export interface DeadJob {
  readonly job: DeferredJob;
  readonly reason: string;
  readonly diedAtMs: number;
}

/** How many jobs a queue holds. */
export interface QueueCounts {
  /** Waiting, also for their time. */
  readonly waiting: number;
  /** Taken and not yet finished. */
  readonly active: number;
  readonly dead: number;
}

/**
 * Where accepted requests wait. What `enqueue` has resolved for survives the process; a job that was taken and neither
 * completed, returned nor buried, because the process died, is waiting again.
 */
export interface DeferredQueue {
  /** Resolves when the job is as durable as the queue makes it. @throws when it is not: then it is not accepted */
  enqueue(job: DeferredJob): Promise<void>;
  /** Takes back a job that was accepted; false when it is too late, because somebody has taken it. */
  withdraw(job: DeferredJob): Promise<boolean>;
  /** Takes up to `limit` jobs that are due, the one first that has been due for longest. */
  take(limit: number, nowMs: number): Promise<DeferredJob[]>;
  // These three are for jobs that were taken; when one fails, the job waits again (at once, or after a lease).
  /** It is done: forget it. */
  complete(job: DeferredJob): Promise<void>;
  /** Puts it back, with the attempts and the `notBeforeMs` that it now has. */
  putBack(job: DeferredJob): Promise<void>;
  /** Gives it up. */
  bury(job: DeferredJob, reason: string, nowMs: number): Promise<void>;
  /** The dead, the one first that has been dead for longest. */
  dead(limit: number): Promise<DeadJob[]>;
  counts(): Promise<QueueCounts>;
  close(): Promise<void>;
}
