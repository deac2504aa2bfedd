import type { ServerResponse } from 'node:http';

/**
 * An open page. It gets a message only after it has taken the message before, so that nothing is queued for it. After a
 * missed message it gets a whole snapshot. A page that takes no message for a while is dropped, and reconnects.
 */
export class Reader {
  readonly #response: ServerResponse;
  readonly #patienceMs: number;
  #busySinceMs: number | undefined;
  #missed = true;

  /** @param patienceMs how long it may take no message, in milliseconds */
  constructor(response: ServerResponse, patienceMs: number) {
    this.#response = response;
    this.#patienceMs = patienceMs;
    response.on('drain', () => {
      this.#busySinceMs = undefined;
    });
  }

  /** Whether it has missed a message, so that it needs a snapshot. */
  get isBehind(): boolean {
    return this.#missed;
  }

  /** Makes the next message a snapshot, because no delta shows the changes. */
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

  /** Whether it has taken no message for too long. */
  isStuck(nowMs: number): boolean {
    return this.#busySinceMs !== undefined && nowMs - this.#busySinceMs > this.#patienceMs;
  }

  /** Ends the stream. A stuck stream is destroyed, which frees the data that waits for it. */
  drop(): void {
    if (this.isReady) this.#response.end();
    else this.#response.destroy();
  }
}
