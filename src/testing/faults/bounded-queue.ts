import type { Clock } from '../../clock.js';
import type { QueueLimit } from './plan.js';

/** The result of entering the queue. An admitted call gives its place back with `release`, once. */
export type Admission =
  | { readonly kind: 'admitted'; readonly release: () => void }
  | { readonly kind: 'full' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'cancelled' };

/** The queue before a model that runs a limited number of calls at once: first in, first out. */
export class BoundedQueue {
  readonly #clock: Clock;
  readonly #waiting = new Set<(admission: Admission) => void>();
  #running = 0;
  #limit: QueueLimit | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** Changes the limit; without a limit every call runs at once. Waiting calls keep their time limit. */
  set limit(limit: QueueLimit | undefined) {
    this.#limit = limit;
    this.#admitWaiting();
  }

  /** Asks for a place. Aborting the signal leaves the queue; an admitted call must still release. */
  enter(signal: AbortSignal): Promise<Admission> {
    if (signal.aborted) return Promise.resolve({ kind: 'cancelled' });
    if (this.#hasPlace()) return Promise.resolve(this.#admit());
    const limit = this.#limit;
    if (limit && this.#waiting.size >= limit.maxQueued) return Promise.resolve({ kind: 'full' });
    return this.#wait(signal, limit?.timeoutMs);
  }

  #wait(signal: AbortSignal, timeoutMs: number | undefined): Promise<Admission> {
    return new Promise((resolve) => {
      const settle = (admission: Admission) => {
        this.#waiting.delete(settle);
        stopTimer();
        signal.removeEventListener('abort', onAbort);
        resolve(admission);
      };
      const onAbort = () => settle({ kind: 'cancelled' });
      const stopTimer =
        timeoutMs === undefined
          ? () => {}
          : this.#clock.setTimer(() => settle({ kind: 'timed-out' }), timeoutMs);
      signal.addEventListener('abort', onAbort);
      this.#waiting.add(settle);
    });
  }

  #hasPlace(): boolean {
    return this.#limit === undefined || this.#running < this.#limit.concurrency;
  }

  #admit(): Admission {
    this.#running++;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#running--;
      this.#admitWaiting();
    };
    return { kind: 'admitted', release };
  }

  #admitWaiting(): void {
    for (const settle of this.#waiting) {
      if (!this.#hasPlace()) return;
      settle(this.#admit());
    }
  }
}
