import type { OpenCall } from '../../call/neutral/open-call.js';
import type { GoodBody } from '../http/good-body.js';

/** The time limits of a good body: the pauses of the server. A pause that the caller makes does not count as the server's. */
export class BodyTimer {
  private readonly call: OpenCall;
  private readonly onStalled: (error: unknown) => void;
  private readonly nowMs: () => number;
  private body: GoodBody | undefined;
  private isEvents = false;
  private isPaused = false;
  private sinceMs = 0;
  private stopBody: () => void = nothing;

  /** @param onStalled called when a stream of events stands still while its caller reads. The failure is counted already */
  constructor(call: OpenCall, onStalled: (error: unknown) => void) {
    this.call = call;
    this.onStalled = onStalled;
    this.nowMs = () => call.clock.now();
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
        ? this.after(stallTimeoutMs, () => this.onStalled(body.onStalled()))
        : this.whenIdle(() => body.onIdle(false));
  }

  /** Waiting for a caller to read a body keeps no process alive. */
  private whenIdle(expired: () => void): () => void {
    return this.after(this.call.limits.abandonedAfterMs, expired, true);
  }

  private after(ms: number, expired: () => void, background = false): () => void {
    return ms === Number.POSITIVE_INFINITY ? nothing : this.call.clock.setTimer(expired, ms, background);
  }
}

function nothing(): void {}
