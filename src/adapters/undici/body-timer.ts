import type { OpenCall } from '../../call/neutral/open-call.js';
import type { GoodBody } from '../http/good-body.js';

/** Called at the time limits of a request. */
export interface TimerListener {
  /** A time limit of the guard has passed. */
  onLimit(error: Error): void;
  /** A stream of events stands still while its caller reads. The failure is counted already. */
  onStalled(error: unknown): void;
}

/**
 * The time limits of a request: its deadline, the wait for its first event, and, while its body comes, the pauses of the server. A
 * pause that the caller makes does not count as the server's.
 */
export class BodyTimer {
  private readonly call: OpenCall;
  private readonly listener: TimerListener;
  private readonly nowMs: () => number;
  private body: GoodBody | undefined;
  private isEvents = false;
  private isPaused = false;
  private sinceMs = 0;
  private stopDeadline: () => void = nothing;
  private stopFirstEvent: () => void = nothing;
  private stopBody: () => void = nothing;

  constructor(call: OpenCall, listener: TimerListener) {
    this.call = call;
    this.listener = listener;
    this.nowMs = () => call.clock.now();
  }

  /** Sets the deadline in place of the earlier deadline. @param deadlineMs milliseconds since the epoch */
  limitTo(deadlineMs: number): void {
    this.stopDeadline();
    this.stopDeadline = this.limitIn(deadlineMs - Date.now(), 'failsoft: deadline exceeded');
  }

  limitFirstEvent(): void {
    this.stopFirstEvent();
    const ms = this.call.limits.firstMessageTimeoutMs;
    this.stopFirstEvent = this.limitIn(ms, `failsoft: no first event within ${ms} ms`);
  }

  /** Ends the wait for the first event, because the server answers with a whole document. */
  awaitNoEvent(): void {
    this.stopFirstEvent();
  }

  /** Begins to watch the body of a good response. */
  watch(body: GoodBody, isEvents: boolean): void {
    this.body = body;
    this.isEvents = isEvents;
    this.awaitServer();
  }

  /** Notes that a chunk came. @returns how long the caller waited for it, in milliseconds */
  arrived(): number {
    const waitedMs = this.isPaused ? 0 : this.nowMs() - this.sinceMs;
    this.awaitServer();
    return waitedMs;
  }

  paused(): void {
    this.isPaused = true;
    this.stopBody();
    if (this.body === undefined) return;
    this.stopBody = this.whenIdle(() => this.body?.onIdle(true));
  }

  resumed(): void {
    this.isPaused = false;
    this.awaitServer();
  }

  stop(): void {
    this.stopDeadline();
    this.stopFirstEvent();
    this.stopBody();
    this.body = undefined;
  }

  private awaitServer(): void {
    this.sinceMs = this.nowMs();
    const { body, isEvents, isPaused, call } = this;
    if (body === undefined || isPaused) return;
    this.stopBody();
    const { stallTimeoutMs, abandonedAfterMs } = call.limits;
    this.stopBody =
      isEvents && stallTimeoutMs <= abandonedAfterMs
        ? this.after(stallTimeoutMs, () => this.listener.onStalled(body.onStalled()))
        : this.whenIdle(() => body.onIdle(false));
  }

  /** Waiting for a caller to read a body keeps no process alive. */
  private whenIdle(expired: () => void): () => void {
    return this.after(this.call.limits.abandonedAfterMs, expired, true);
  }

  private limitIn(ms: number, details: string): () => void {
    return this.after(Math.max(0, ms), () =>
      this.listener.onLimit(new DOMException(details, 'TimeoutError')),
    );
  }

  private after(ms: number, expired: () => void, background = false): () => void {
    return ms === Number.POSITIVE_INFINITY ? nothing : this.call.clock.setTimer(expired, ms, background);
  }
}

function nothing(): void {}
