import type { ServerResponse } from 'node:http';

/**
 * An open page. It gets a message only after it has taken the message before, so nothing is queued for it. After a missed message it
 * gets a whole snapshot. A page that takes nothing for a while is dropped, and reconnects.
 */
export class Reader {
  readonly #response: ServerResponse;
  readonly #patienceMs: number;
  #busySinceMs: number | undefined;
  #missed = true;

  /** @param patienceMs how long it may take nothing */
  constructor(response: ServerResponse, patienceMs: number) {
    this.#response = response;
    this.#patienceMs = patienceMs;
    response.on('drain', () => {
      this.#busySinceMs = undefined;
    });
  }

  /** Whether it lacks a message, so that only a snapshot helps it. */
  get isBehind(): boolean {
    return this.#missed;
  }

  /** No delta shows what has changed: the next message must be a snapshot. */
  miss(): void {
    this.#missed = true;
  }

  /** Whether it can take a message now. */
  get isReady(): boolean {
    return this.#busySinceMs === undefined;
  }

  /** Writes a message, or remembers that it was missed. */
  send(bytes: Buffer, nowMs: number): void {
    if (!this.isReady) {
      this.#missed = true;
      return;
    }
    if (!this.#response.write(bytes)) this.#busySinceMs = nowMs;
  }

  /** As `send`, for a snapshot. */
  sendSnapshot(bytes: Buffer, nowMs: number): void {
    if (!this.isReady) return;
    this.#missed = false;
    this.send(bytes, nowMs);
  }

  /** Whether it has taken nothing for too long. */
  isStuck(nowMs: number): boolean {
    return this.#busySinceMs !== undefined && nowMs - this.#busySinceMs > this.#patienceMs;
  }

  /** Ends the stream. A stuck one is cut off: what waits for it is freed. */
  drop(): void {
    if (this.isReady) this.#response.end();
    else this.#response.destroy();
  }
}
