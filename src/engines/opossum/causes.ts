import type { Clock } from '../../clock.js';

/** Why a breaker does what it does, as of when. */
export interface Cause {
  readonly reason: string;
  readonly atMs: number;
}

/** Remembers why the breaker is just being changed, for the events that it emits meanwhile. */
export class Causes {
  readonly #clock: Clock;
  #present: { readonly reason: string | undefined; readonly atMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the breaker is just being changed. */
  get areKnown(): boolean {
    return this.#present !== undefined;
  }

  /** @param reason undefined where only the breaker can give it: it is given the report of a call */
  during(reason: string | undefined, atMs: number, change: () => void): void {
    const before = this.#present;
    this.#present = { reason, atMs };
    try {
      change();
    } finally {
      this.#present = before;
    }
  }

  /** The cause of what the breaker has just done. Without one, its `open()` or `close()` was called by hand. */
  present(ofCall: () => string): Cause {
    if (this.#present === undefined) return { atMs: this.#clock.now(), reason: 'by hand, on the breaker' };
    return { atMs: this.#present.atMs, reason: this.#present.reason ?? ofCall() };
  }
}
