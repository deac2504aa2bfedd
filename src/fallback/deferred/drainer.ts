import type { Client } from '@grpc/grpc-js';
import { checkFunction, checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { invalid } from '../../errors.js';
import { warn } from '../../telemetry/emitter.js';
import type { Method } from '../strategy.js';
import type { DeferredJob, DeferredQueue } from './queue.js';
import { type DeferredResult, isHopeless, isRejected, replay, textOf, wasTried } from './replay.js';

/** Where jobs of a method are replayed. */
export interface DrainedMethod {
  readonly method: Method<unknown, unknown>;
  /** The client that the caller used: its guard counts the replays, and holds them back when it must. */
  readonly client: Client;
}

/** Options of {@link DeferredDrainer}. */
export interface DrainerOptions {
  readonly queue: DeferredQueue;
  readonly methods: readonly DrainedMethod[];
  /** Whether replaying makes sense now: every circuit concerned is closed, say. @default always */
  readonly ready?: () => boolean;
  /**
   * Tells when `ready` may have changed: a guard, whose `transition` events it hears until it is closed.
   * @default only `pollMs`
   */
  readonly guard?: { on(name: 'transition', listener: () => void): unknown };
  /** Hears each result. What it throws (or rejects with) is a failed replay: the job is replayed again. */
  readonly onResult: (result: DeferredResult) => void | PromiseLike<void>;
  /** Hears of each job that is given up: expired, hopeless, or failed `maxAttempts` times. */
  readonly onDead?: (job: DeferredJob, reason: string) => void;
  /** Hears when the queue fails; what it did not do is tried again. @default a process warning (`FailsoftWarning`) */
  readonly onError?: (error: unknown) => void;
  /** The most replays begun in a second. @default 10 */
  readonly ratePerSecond?: number;
  /** The most replays at a time. @default 4 */
  readonly maxConcurrent?: number;
  /**
   * Failed replays after which a job is dead. Those during an outage do not count: when not `ready`, and when the client (its
   * guard, or because it is closed) did not let the call out. @default 5
   */
  readonly maxAttempts?: number;
  /** The first pause after a failed replay, in milliseconds; it doubles with each, up to a minute. @default 1000 */
  readonly retryMs?: number;
  /** The deadline of one replay, in milliseconds. @default 30000 */
  readonly callTimeoutMs?: number;
  /** How long `onResult` may take, in milliseconds; longer is a failed replay. @default 20000 */
  readonly resultTimeoutMs?: number;
  /** How often it looks by itself, in milliseconds. @default 1000 */
  readonly pollMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

const KEYS = [
  ...['queue', 'methods', 'ready', 'guard', 'onResult', 'onDead', 'ratePerSecond', 'maxConcurrent'],
  ...['maxAttempts', 'retryMs', 'callTimeoutMs', 'resultTimeoutMs', 'pollMs', 'clock', 'onError'],
];
const LONGEST_RETRY_MS = 60_000;

/**
 * Replays deferred requests while the model is well, at a bounded rate, **at least once**: a process that dies between a
 * prediction and its completion replays it. Every replay of a job carries the same `failsoft-idempotency-key`.
 */
export class DeferredDrainer {
  readonly #options: DrainerOptions;
  readonly #methods: ReadonlyMap<string, DrainedMethod>;
  readonly #clock: Clock;
  readonly #gapMs: number;
  readonly #maxConcurrent: number;
  readonly #maxAttempts: number;
  readonly #retryMs: number;
  readonly #callTimeoutMs: number;
  readonly #resultTimeoutMs: number;
  readonly #pollMs: number;
  readonly #running = new Set<Promise<void>>();
  #nextAtMs = 0;
  #looking: Promise<void> | undefined;
  #stopTimer: () => void = () => undefined;
  readonly #stopListening: unknown;
  #lookAgain = false;
  #closed = false;

  /** Begins at once. @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
  constructor(options: DrainerOptions) {
    checkKeys('drainer', options, KEYS);
    checkFunction('drainer.onResult', options.onResult);
    if (options.ready !== undefined) checkFunction('drainer.ready', options.ready);
    if (options.onError !== undefined) checkFunction('drainer.onError', options.onError);
    if (options.onDead !== undefined) checkFunction('drainer.onDead', options.onDead);
    if (!Array.isArray(options.methods) || options.methods.length === 0)
      throw invalid('drainer.methods', 'a list of {method, client}', options.methods);
    for (const [index, each] of options.methods.entries())
      if (typeof each?.method?.path !== 'string' || typeof each.client?.makeUnaryRequest !== 'function')
        throw invalid(`drainer.methods[${index}]`, '{method, client}', each);
    this.#options = options;
    this.#methods = new Map(options.methods.map((each) => [each.method.path, each]));
    this.#clock = options.clock ?? systemClock;
    this.#gapMs = 1_000 / checkNumber('drainer.ratePerSecond', options.ratePerSecond ?? 10, 0.001, Infinity);
    this.#maxConcurrent = checkInteger('drainer.maxConcurrent', options.maxConcurrent ?? 4, 1);
    this.#maxAttempts = checkInteger('drainer.maxAttempts', options.maxAttempts ?? 5, 1);
    this.#retryMs = checkNumber('drainer.retryMs', options.retryMs ?? 1_000, 0);
    this.#callTimeoutMs = checkNumber('drainer.callTimeoutMs', options.callTimeoutMs ?? 30_000, 1);
    this.#resultTimeoutMs = checkNumber('drainer.resultTimeoutMs', options.resultTimeoutMs ?? 20_000, 1);
    this.#pollMs = checkNumber('drainer.pollMs', options.pollMs ?? 1_000, 1);
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
      .catch((error: unknown) => {
        this.#tell(error); // the queue is down: the next look may find it well
        return this.#pollMs;
      })
      .then((againInMs) => {
        this.#looking = undefined;
        if (this.#lookAgain) this.wake();
        else if (!this.#closed) this.#stopTimer = this.#clock.setTimer(() => this.wake(), againInMs);
      });
  }

  /** Begins no replay any more, and waits for those under way. The queue is the caller's to close. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer();
    if (typeof this.#stopListening === 'function') this.#stopListening();
    await this.#looking;
    await Promise.all(this.#running);
  }

  /** @returns after how long to look again */
  async #look(): Promise<number> {
    while (!this.#closed && this.#isReady() && this.#running.size < this.#maxConcurrent) {
      const now = this.#clock.now();
      if (now < this.#nextAtMs) return this.#nextAtMs - now;
      const [job] = await this.#options.queue.take(1, now);
      if (job === undefined) break;
      if (this.#closed) {
        await this.#options.queue.putBack(job);
        break;
      }
      this.#nextAtMs = now + this.#gapMs;
      const work = this.#work(job)
        .catch((error: unknown) => this.#tell(error)) // the queue did not take the result: the job is replayed after its lease or a restart
        .finally(() => {
          this.#running.delete(work);
          this.wake();
        });
      this.#running.add(work);
    }
    return this.#pollMs;
  }

  #tell(error: unknown): void {
    try {
      (this.#options.onError ?? warn)(error);
    } catch (thrown) {
      warn(thrown);
    }
  }

  #isReady(): boolean {
    try {
      return this.#options.ready?.() ?? true;
    } catch (error) {
      this.#tell(error); // a job that is under way must find its way back into the queue all the same
      return false;
    }
  }

  async #work(job: DeferredJob): Promise<void> {
    const { queue } = this.#options;
    const target = this.#methods.get(job.method);
    if (target === undefined) return this.#bury(job, `no client for ${job.method}`);
    if (job.expiresAtMs <= this.#clock.now()) return this.#bury(job, 'expired');
    let result: DeferredResult;
    try {
      result = await replay(target.client, target.method, job, this.#callTimeoutMs);
    } catch (error) {
      return isHopeless(error) ? this.#bury(job, textOf(error)) : this.#failed(job, error, wasTried(error));
    }
    try {
      await this.#handOn(result);
    } catch (error) {
      return this.#failed(job, error, !isRejected(error)); // whatever it is: the model has answered, so the request is sound
    }
    await queue.complete(job);
  }

  /** One that hangs must not hold its place, and with it the drainer, for ever. */
  #handOn(result: DeferredResult): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`onResult took longer than ${this.#resultTimeoutMs} ms`));
      const stopTimer = this.#clock.setTimer(late, this.#resultTimeoutMs);
      const handing = (async () => this.#options.onResult(result))();
      handing.finally(stopTimer).then(resolve, reject);
    });
  }

  async #failed(job: DeferredJob, error: unknown, tried: boolean): Promise<void> {
    // An outage is not the job's fault: only what fails while all else is well counts.
    const counts = tried && this.#isReady();
    const attempts = counts ? job.attempts + 1 : job.attempts;
    if (counts && attempts >= this.#maxAttempts)
      return this.#bury(job, `${attempts} attempts, the last: ${textOf(error)}`);
    const pauseMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2 ** Math.max(0, attempts - 1));
    await this.#options.queue.putBack({
      ...job,
      attempts,
      notBeforeMs: Math.ceil(this.#clock.now() + pauseMs),
    });
  }

  async #bury(job: DeferredJob, reason: string): Promise<void> {
    await this.#options.queue.bury(job, reason, this.#clock.now());
    try {
      const told: unknown = this.#options.onDead?.(job, reason);
      if (told instanceof Promise) told.catch((error: unknown) => warn(error));
    } catch (error) {
      warn(error);
    }
  }
}
