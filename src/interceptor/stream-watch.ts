import type { Clock } from '../clock.js';

/** What a watch tells the call that it watches. */
export interface StreamWatchListener {
  /** No message in time while the caller was reading. */
  onStuck(details: string): void;
  /** The caller has stopped reading, or neither side says anything: nobody may ever finish this stream. */
  onAbandoned(): void;
}

export interface StreamLimits {
  readonly firstMessageTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly abandonedAfterMs: number;
}

/**
 * The health of a response stream: how long the server let a reading caller wait, at the first message and between
 * messages. Time in which the caller did not read is not the server's; nor, in a bidirectional stream, is time in which
 * the caller had asked for nothing. One timer per stream, moved on lazily.
 */
export class StreamWatch {
  readonly #clock: Clock;
  readonly #limits: StreamLimits;
  readonly #listener: StreamWatchListener;
  /** Whether the server owes a message: always in a server stream, after a message of the caller in a conversation. */
  #owed: boolean;
  readonly #converses: boolean;
  #reads = false;
  /** Since when the server has owed a reading caller a message. */
  #waitingSinceMs: number | undefined;
  #lastChangeMs: number;
  #longestWaitMs = 0;
  #received = false;
  #over = false;
  #cancelTimer: (() => void) | undefined;

  /** @param converses whether the caller streams too, and is owed messages only after it has sent some */
  constructor(clock: Clock, limits: StreamLimits, converses: boolean, listener: StreamWatchListener) {
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
    this.#converses = converses;
    this.#owed = !converses;
    this.#lastChangeMs = clock.now();
    this.#update();
    this.#arm();
  }

  /** The longest that the server let the caller wait so far, in milliseconds. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  /** The caller asked for a message. */
  reading(): void {
    if (this.#reads) return;
    this.#reads = true;
    this.#lastChangeMs = this.#clock.now();
    this.#update();
    if (this.#cancelTimer === undefined && !this.#over) this.#arm(); // a reader who was thought to be gone
  }

  /** The caller sent a message. */
  sent(): void {
    if (this.#owed) return;
    this.#owed = true;
    this.#lastChangeMs = this.#clock.now();
    this.#update();
    if (this.#cancelTimer === undefined && !this.#over) this.#arm(); // a conversation that was thought to be left
  }

  /** A message came. */
  received(): void {
    this.#endWait();
    this.#received = true;
    this.#reads = false;
    this.#owed = !this.#converses;
    this.#waitingSinceMs = undefined;
  }

  /** Nobody waits for the server, until the caller reads again. */
  pause(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** The stream is over. */
  stop(): void {
    this.#endWait();
    this.#over = true;
    this.pause();
  }

  #update(): void {
    if (this.#reads && this.#owed) this.#waitingSinceMs = this.#lastChangeMs;
  }

  #endWait(): void {
    const now = this.#clock.now();
    this.#lastChangeMs = now;
    if (this.#waitingSinceMs !== undefined) {
      this.#longestWaitMs = Math.max(this.#longestWaitMs, now - this.#waitingSinceMs);
    }
  }

  #limitMs(): number {
    if (!this.#reads || !this.#owed) return this.#limits.abandonedAfterMs;
    return this.#received ? this.#limits.stallTimeoutMs : this.#limits.firstMessageTimeoutMs;
  }

  /** Wakes no later than any limit could be passed, whatever the caller and the server do in between. */
  #arm(): void {
    const { abandonedAfterMs, stallTimeoutMs, firstMessageTimeoutMs } = this.#limits;
    const firstMs = this.#received ? Number.POSITIVE_INFINITY : firstMessageTimeoutMs;
    const shortestMs = Math.min(abandonedAfterMs, stallTimeoutMs, firstMs);
    const leftMs = Math.min(this.#lastChangeMs + this.#limitMs() - this.#clock.now(), shortestMs);
    if (leftMs < Number.POSITIVE_INFINITY) this.#cancelTimer = this.#clock.setTimer(this.#check, leftMs);
  }

  readonly #check = (): void => {
    this.#cancelTimer = undefined;
    const limitMs = this.#limitMs();
    if (this.#clock.now() - this.#lastChangeMs < limitMs) return this.#arm();
    if (!this.#reads || !this.#owed) return this.#listener.onAbandoned();
    const what = this.#received ? 'no further message' : 'no first message';
    this.#listener.onStuck(`failsoft: ${what} within ${limitMs} ms`);
  };
}
