import type { Clock } from '../../clock.js';

/** Why a breaker does what it does, as of when. */
export interface Cause {
  readonly reason: string;
  readonly atMs: number;
}

/** Remembers why a breaker is just being told something: what it does then, its events say, has that cause. */
export class Causes {
  readonly #clock: Clock;
  #present: { readonly reason: string | undefined; readonly atMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the breaker is just being told something. */
  get isTelling(): boolean {
    return this.#present !== undefined;
  }

  /** @param reason undefined where only the breaker can say: it was told of a call */
  tell(reason: string | undefined, atMs: number, tell: () => void): void {
    const before = this.#present;
    this.#present = { reason, atMs };
    try {
      tell();
    } finally {
      this.#present = before;
    }
  }

  /** The cause of what the breaker has just done. Without one, somebody called its `open()` or `close()`. */
  present(ofCall: () => string): Cause {
    if (this.#present === undefined) return { atMs: this.#clock.now(), reason: 'by hand, on the breaker' };
    return { atMs: this.#present.atMs, reason: this.#present.reason ?? ofCall() };
  }
}
