import { ManualClock } from 'failsoft/testing';
import type { Clock } from '../../../src/clock.js';
import type { DeferredJob, DeferredQueue } from '../../../src/fallback/deferred/queue.js';

/** A queue in memory that follows the contract, and can be made to fail. */
export class MemoryQueue implements DeferredQueue {
  readonly jobs = new Map<string, DeferredJob>();
  readonly active = new Set<string>();
  /** When jobs that were put back are due, by the clock's `now()`. */
  readonly dueAt = new Map<string, number>();
  readonly buried: string[] = [];
  maxJobs = Number.POSITIVE_INFINITY;
  broken = false;
  /** Until when it takes nothing on; it may be long. */
  gate: Promise<unknown> = Promise.resolve();
  readonly #clock: Clock;

  constructor(clock: Clock = new ManualClock()) {
    this.#clock = clock;
  }

  async enqueue(job: DeferredJob) {
    await this.gate;
    if (this.broken) throw new Error('disk full');
    if (this.jobs.size >= this.maxJobs) return 'full';
    this.jobs.set(job.id, job);
    return 'accepted';
  }
  async withdraw(job: DeferredJob) {
    return !this.active.has(job.id) && this.jobs.delete(job.id);
  }
  async take(limit: number) {
    await this.gate;
    if (this.broken) throw new Error('disk gone');
    const now = this.#clock.now();
    const due = [...this.jobs.values()].filter(
      (job) => !this.active.has(job.id) && (this.dueAt.get(job.id) ?? 0) <= now,
    );
    for (const job of due.slice(0, limit)) this.active.add(job.id);
    return due.slice(0, limit);
  }
  async save(job: DeferredJob) {
    await this.gate;
    if (this.broken) throw new Error('disk full');
    this.jobs.set(job.id, job);
  }
  async complete(job: DeferredJob) {
    this.jobs.delete(job.id);
    this.active.delete(job.id);
  }
  async putBack(job: DeferredJob, delayMs: number) {
    this.jobs.set(job.id, job);
    this.dueAt.set(job.id, this.#clock.now() + delayMs);
    this.active.delete(job.id);
  }
  async bury(job: DeferredJob, reason: string) {
    await this.complete(job);
    this.buried.push(`${job.id}: ${reason}`);
  }
  async dead() {
    return [];
  }
  async counts() {
    const { size } = this.active;
    return { waiting: this.jobs.size - size, active: size, dead: this.buried.length, bytes: 0 };
  }
  async close() {}
}
