import { ClockSteps } from './clock-steps.js';
import { type DrainerOptions, type DrainerSettings, drainerSettings } from './drainer-options.js';
import { JobRunner } from './job-run.js';
import { type DeferredJob, unfinished } from './queue.js';

/**
 * Replays deferred requests while the model is well, at a bounded rate, **at least once**: a process that dies between a
 * prediction and its completion replays it. Every replay of a job carries the same `failsoft-idempotency-key`.
 *
 * Each replay is counted in the queue before it begins. If a process died during the replay of a job, that job is replayed alone:
 * should it end the process again, no other job is blamed for it.
 */
export class DeferredDrainer {
  readonly #settings: DrainerSettings;
  readonly #runner: JobRunner;
  readonly #running = new Set<Promise<void>>();
  /** Whether a job that may have ended a process runs, or waits until it can run alone. */
  #hasSuspect = false;
  #nextAtMs = 0;
  #looking: Promise<void> | undefined;
  #stopTimer: () => void = () => undefined;
  readonly #stopListening: unknown;
  #lookAgain = false;
  #closed = false;

  /** Begins at once. @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
  constructor(options: DrainerOptions) {
    this.#settings = drainerSettings(options);
    const steps = new ClockSteps(this.#settings.clock);
    this.#runner = new JobRunner(this.#settings, () => this.#isReady(), steps);
    this.#stopListening = options.guard?.on('transition', () => this.wake());
    this.wake();
  }

  /** Looks for jobs now rather than at the next poll. */
  wake(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    this.#stopTimer();
    this.#lookAgain = false;
    this.#looking = this.#look()
      .catch((error: unknown) => this.#queueFailed(error))
      .then((againInMs) => {
        this.#looking = undefined;
        if (this.#lookAgain) this.wake();
        else if (!this.#closed) this.#stopTimer = this.#settings.clock.setTimer(() => this.wake(), againInMs);
      });
  }

  /**
   * Starts no more replays, and waits for the running replays for at most `closeTimeoutMs`; a job whose replay takes longer is
   * replayed again. It does not close the queue.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer();
    if (typeof this.#stopListening === 'function') this.#stopListening();
    const { clock, closeTimeoutMs, onError } = this.#settings;
    const done = (async () => {
      await this.#looking;
      await Promise.all(this.#running);
    })();
    let stopTimer: () => void = () => undefined;
    const late = new Promise<'late'>((resolve) => {
      stopTimer = clock.setTimer(() => resolve('late'), closeTimeoutMs);
    });
    if ((await Promise.race([done, late])) === 'late')
      onError(
        new Error(
          `the drainer was closed with ${this.#running.size} replays under way after ${closeTimeoutMs} ms`,
        ),
      );
    stopTimer();
  }

  /** @returns after how long to look again, in milliseconds */
  async #look(): Promise<number> {
    const { clock, queue, maxConcurrent, gapMs, pollMs } = this.#settings;
    while (!this.#closed && !this.#hasSuspect && this.#running.size < maxConcurrent && this.#isReady()) {
      const now = clock.now();
      if (now < this.#nextAtMs) return this.#nextAtMs - now;
      const [job] = await queue.take(1);
      if (job === undefined) break;
      if (this.#closed) {
        await queue.putBack(job, 0);
        break;
      }
      const target = await this.#runner.targetOf(job);
      if (target === undefined) continue;
      this.#nextAtMs = Math.max(this.#nextAtMs, now + gapMs); // a queue that failed meanwhile has set a later time
      this.#start(job, () => this.#runner.run(job, target));
    }
    return pollMs;
  }

  #start(job: DeferredJob, run: () => Promise<void>): void {
    const isSuspect = unfinished(job) > 0;
    const others = [...this.#running];
    if (isSuspect) this.#hasSuspect = true;
    const work = (isSuspect ? Promise.all(others).then(run) : run())
      .catch((error: unknown) => this.#queueFailed(error)) // the job is replayed after its lease, or a restart
      .then(() => {
        this.#running.delete(work);
        if (isSuspect) this.#hasSuspect = false;
        this.wake();
      });
    this.#running.add(work);
  }

  /** Reports the error, and leaves the queue alone until the next look. @returns after how long to look again, in milliseconds */
  #queueFailed(error: unknown): number {
    const { clock, pollMs, onError } = this.#settings;
    this.#nextAtMs = Math.max(this.#nextAtMs, clock.now() + pollMs);
    onError(error);
    return pollMs;
  }

  #isReady(): boolean {
    try {
      return this.#settings.ready();
    } catch (error) {
      this.#settings.onError(error); // not thrown: the running job must still be put back into the queue
      return false;
    }
  }
}
