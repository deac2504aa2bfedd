import type { Clock } from '../clock.js';

/** The call that a {@link StreamWatch} reports to. */
export interface StreamWatchListener {
  /** Called when no message came in time while the caller was waiting for one. */
  onStuck(details: string): void;
  /** Called once, when the caller has abandoned the stream: see {@link StreamLimits.abandonedAfterMs}. */
  onAbandoned(): void;
}

/** The time limits of a stream, in milliseconds; Infinity for no limit. */
export interface StreamLimits {
  /** The longest wait for the first message. */
  readonly firstMessageTimeoutMs: number;
  /** The longest wait for each further message. Only time in which the caller waits for a message counts. */
  readonly stallTimeoutMs: number;
  /**
   * Idle limit. After this long without a read, a write or a message, a stream counts as abandoned, unless the caller waits for a
   * message and has sent everything.
   */
  readonly abandonedAfterMs: number;
}

/** The sides of a call that are streams. */
export interface StreamKind {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/**
 * Watches a stream: measures how long the caller waits for the first message and between messages, and detects that the caller has
 * abandoned the stream. Time in which the caller does not read does not count; nor does time in which the server owes no message,
 * while the caller may send more. There is a single timer, which is moved only when it fires.
 */
export class StreamWatch {
  readonly #clock: Clock;
  readonly #listener: StreamWatchListener;
  readonly #firstMessageTimeoutMs: number;
  readonly #stallTimeoutMs: number;
  #abandonedAfterMs: number;
  /** Whether the caller can send more. */
  #open: boolean;
  /** Whether the server owes a message: after each message of the caller, and always once the caller has sent everything. */
  #owed: boolean;
  /** Whether the caller has asked for a message. For a unary response: always. */
  #reads: boolean;
  /** Since when the caller has been waiting for a message that the server owes. */
  #waitingSinceMs: number | undefined;
  /** The time of the last event on either side. */
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

  /** The caller's longest wait for the server so far, in milliseconds. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  /** Ends the wait for the first message after `delayMs`, because the rest of the time is reserved for fallbacks. */
  firstMessageBy(delayMs: number): void {
    this.#cancelFirstBy = this.#clock.setTimer(() => {
      if (this.#waitingSinceMs !== undefined)
        this.#listener.onStuck('failsoft: no first message in the time that is not kept for fallbacks');
    }, delayMs);
  }

  /** Called when the caller asks for a message. */
  reading(): void {
    if (this.#reads) return;
    this.#reads = true;
    this.#act();
  }

  /** Called when the caller has sent a message. */
  sent(): void {
    this.#owed = true;
    this.#act();
  }

  /** Called when the caller has sent everything. */
  halfClosed(): void {
    this.#open = false;
    this.sent();
  }

  /** Called when a message has come. */
  received(): void {
    this.#endWait();
    this.#cancelFirstBy?.();
    this.#received = true;
    this.#reads = false;
    this.#owed = !this.#open;
    this.#waitingSinceMs = undefined;
  }

  /** Ends the watch. */
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
    if (this.#cancelTimer === undefined && !this.#over) this.#arm(); // the stream was abandoned, and is used again
  }

  #endWait(): void {
    const now = this.#clock.now();
    this.#lastActMs = now;
    if (this.#waitingSinceMs !== undefined) {
      this.#longestWaitMs = Math.max(this.#longestWaitMs, now - this.#waitingSinceMs);
    }
  }

  /** The longest wait that is allowed now. */
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

  /** Arms the timer for the earliest time at which a limit could be exceeded, whatever happens before. */
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
      const problem = this.#received ? 'no further message' : 'no first message';
      return this.#listener.onStuck(`failsoft: ${problem} within ${this.#stuckLimitMs()} ms`);
    }
    if (now >= this.#abandonedAtMs()) {
      this.#abandonedAfterMs = Number.POSITIVE_INFINITY;
      this.#listener.onAbandoned();
      if (this.#waitingSinceMs === undefined) return; // no limit applies until the caller acts
    }
    this.#arm();
  };
}
