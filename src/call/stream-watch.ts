import type { Clock } from '../clock.js';

/** What a watch tells the call that it watches. */
export interface StreamWatchListener {
  /** No message in time while the caller was reading. */
  onStuck(details: string): void;
  /** Nobody may ever finish this stream: see {@link StreamLimits.abandonedAfterMs}. Told once. */
  onAbandoned(): void;
}

export interface StreamLimits {
  readonly firstMessageTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** How long the caller may leave it to itself: neither read nor write, when it is not only the server's turn. */
  readonly abandonedAfterMs: number;
}

/** Which sides of a call are streams. */
export interface StreamKind {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/**
 * The health of a stream: how long the server let a reading caller wait, at the first message and between messages; and
 * whether its caller is still there. Time in which the caller did not read is not the server's; nor, while the caller may
 * send more, is time in which it had asked for nothing. One timer per stream, moved on lazily.
 */
export class StreamWatch {
  readonly #clock: Clock;
  readonly #listener: StreamWatchListener;
  readonly #firstMessageTimeoutMs: number;
  readonly #stallTimeoutMs: number;
  #abandonedAfterMs: number;
  /** Whether the caller may send more. */
  #open: boolean;
  /** Whether the server owes a message: after one of the caller's, and always once the caller has sent all. */
  #owed: boolean;
  /** Whether the caller wants a message; an answer that is no stream is always wanted. */
  #reads: boolean;
  /** Since when the server has owed a reading caller a message. */
  #waitingSinceMs: number | undefined;
  /** When either side last did something. */
  #lastActMs: number;
  #longestWaitMs = 0;
  #received = false;
  #over = false;
  #cancelTimer: (() => void) | undefined;
  #cancelFirstBy: (() => void) | undefined;

  constructor(clock: Clock, limits: StreamLimits, kind: StreamKind, listener: StreamWatchListener) {
    this.#clock = clock;
    this.#listener = listener;
    this.#firstMessageTimeoutMs = kind.responseStream
      ? limits.firstMessageTimeoutMs
      : Number.POSITIVE_INFINITY;
    this.#stallTimeoutMs = kind.responseStream ? limits.stallTimeoutMs : Number.POSITIVE_INFINITY;
    this.#abandonedAfterMs = limits.abandonedAfterMs;
    this.#open = kind.requestStream;
    this.#owed = !kind.requestStream;
    this.#reads = !kind.responseStream;
    this.#lastActMs = clock.now();
    this.#arm();
  }

  /** The longest that the server let the caller wait so far, in milliseconds. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  /** Ends a wait for the first message that still lasts then: the rest of the time is kept for a fallback. */
  firstMessageBy(delayMs: number): void {
    this.#cancelFirstBy = this.#clock.setTimer(() => {
      if (this.#waitingSinceMs !== undefined)
        this.#listener.onStuck('failsoft: no first message in the time that is not kept for fallbacks');
    }, delayMs);
  }

  /** The caller asked for a message. */
  reading(): void {
    if (this.#reads) return;
    this.#reads = true;
    this.#act();
  }

  /** The caller sent a message. */
  sent(): void {
    this.#owed = true;
    this.#act();
  }

  /** The caller has sent everything: from here on it can only wait. */
  halfClosed(): void {
    this.#open = false;
    this.sent();
  }

  /** A message came. */
  received(): void {
    this.#endWait();
    this.#cancelFirstBy?.();
    this.#received = true;
    this.#reads = false;
    this.#owed = !this.#open;
    this.#waitingSinceMs = undefined;
  }

  /** The stream is over. */
  stop(): void {
    this.#endWait();
    this.#over = true;
    this.#cancelFirstBy?.();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #act(): void {
    this.#lastActMs = this.#clock.now();
    if (this.#reads && this.#owed) this.#waitingSinceMs ??= this.#lastActMs;
    if (this.#cancelTimer === undefined && !this.#over) this.#arm(); // it was thought to be left
  }

  #endWait(): void {
    const now = this.#clock.now();
    this.#lastActMs = now;
    if (this.#waitingSinceMs !== undefined) {
      this.#longestWaitMs = Math.max(this.#longestWaitMs, now - this.#waitingSinceMs);
    }
  }

  /** How long the server may go on letting the caller wait. */
  #stuckLimitMs(): number {
    return this.#received ? this.#stallTimeoutMs : this.#firstMessageTimeoutMs;
  }

  #stuckAtMs(): number {
    return (this.#waitingSinceMs ?? Number.POSITIVE_INFINITY) + this.#stuckLimitMs();
  }

  #abandonedAtMs(): number {
    const onlyServersTurn = this.#waitingSinceMs !== undefined && !this.#open;
    return onlyServersTurn ? Number.POSITIVE_INFINITY : this.#lastActMs + this.#abandonedAfterMs;
  }

  /** Wakes no later than any limit could be passed, whatever the caller and the server do in between. */
  #arm(): void {
    const firstMs = this.#received ? Number.POSITIVE_INFINITY : this.#firstMessageTimeoutMs;
    const shortestMs = Math.min(this.#abandonedAfterMs, this.#stallTimeoutMs, firstMs);
    const nextMs = Math.min(this.#stuckAtMs(), this.#abandonedAtMs()) - this.#clock.now();
    const leftMs = Math.min(nextMs, shortestMs);
    if (leftMs < Number.POSITIVE_INFINITY) this.#cancelTimer = this.#clock.setTimer(this.#check, leftMs);
  }

  readonly #check = (): void => {
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    if (now >= this.#stuckAtMs()) {
      const what = this.#received ? 'no further message' : 'no first message';
      return this.#listener.onStuck(`failsoft: ${what} within ${this.#stuckLimitMs()} ms`);
    }
    if (now >= this.#abandonedAtMs()) {
      this.#abandonedAfterMs = Number.POSITIVE_INFINITY;
      this.#listener.onAbandoned();
      if (this.#waitingSinceMs === undefined) return; // nothing to wake for, until the caller does something
    }
    this.#arm();
  };
}
