import type { DeltaMessage, SnapshotMessage } from '../view/protocol.js';

export interface ConnectionListener {
  snapshot(message: SnapshotMessage): void;
  delta(message: DeltaMessage): void;
  /** Called with whether messages arrive. */
  alive(isAlive: boolean): void;
}

/** In milliseconds. The server sends a message at least every 15 s. */
const SILENCE_MS = 35_000;
const LONGEST_WAIT_MS = 10_000;

/** Reads the stream, and begins again with a fresh snapshot whenever it ends or is silent. */
export class Connection {
  readonly #listener: ConnectionListener;
  #stream: EventSource | undefined;
  #receivedMs = performance.now();
  #waitMs = 500;
  #hasSnapshot = false;

  constructor(listener: ConnectionListener) {
    this.#listener = listener;
    this.#open();
    setInterval(() => {
      if (performance.now() - this.#receivedMs > SILENCE_MS) this.#again();
    }, 5_000);
    // the machine may have been asleep
    addEventListener('online', () => this.#again());
  }

  #open(): void {
    const stream = new EventSource('events');
    this.#stream = stream;
    this.#hasSnapshot = false;
    this.#receivedMs = performance.now();
    stream.addEventListener('snapshot', ({ data }) => {
      this.#received();
      this.#hasSnapshot = true;
      this.#waitMs = 500;
      this.#listener.snapshot(JSON.parse(data));
    });
    stream.addEventListener('delta', ({ data }) => {
      this.#received();
      if (this.#hasSnapshot) this.#listener.delta(JSON.parse(data));
    });
    stream.addEventListener('heartbeat', () => this.#received());
    // not left to the browser: its own reconnection gives up where a proxy answers with an error
    stream.addEventListener('error', () => {
      if (this.#stream !== stream) return;
      stream.close();
      this.#stream = undefined;
      this.#listener.alive(false);
      setTimeout(() => this.#open(), this.#waitMs * (0.5 + Math.random() / 2));
      this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
    });
  }

  #received(): void {
    this.#receivedMs = performance.now();
    this.#listener.alive(true);
  }

  #again(): void {
    if (this.#stream === undefined) return;
    this.#stream.close();
    this.#listener.alive(false);
    this.#open();
  }
}
