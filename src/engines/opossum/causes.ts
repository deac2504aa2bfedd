import type { Clock } from '../../clock.js';

/** Why a breaker changed, and when. */
export interface Cause {
  readonly reason: string;
  readonly atMs: number;
}

/** Remembers the cause of the change that is under way, for the events that the breaker emits during that change. */
export class Causes {
  readonly #clock: Clock;
  #present: { readonly reason: string | undefined; readonly atMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a change is under way. */
  get isChanging(): boolean {
    return this.#present !== undefined;
  }

  /**
   * Makes a change.
   * @param reason undefined if opossum decides by the report of a call whether it changes; `present()` then gives the reason
   */
  during(reason: string | undefined, atMs: number, change: () => void): void {
    const before = this.#present;
    this.#present = { reason, atMs };
    try {
      change();
    } finally {
      this.#present = before;
    }
  }

  /**
   * The cause of the event that the breaker emits now. If no change is under way, a user called its `open()` or `close()`.
   * @param ofCall gives the reason if the report of a call caused the change
   */
  present(ofCall: () => string): Cause {
    if (this.#present === undefined) return { atMs: this.#clock.now(), reason: 'by hand, on the breaker' };
    return { atMs: this.#present.atMs, reason: this.#present.reason ?? ofCall() };
  }
}
