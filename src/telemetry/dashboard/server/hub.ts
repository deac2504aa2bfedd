import type { ServerResponse } from 'node:http';
import type { Feed } from './feed.js';
import { Reader } from './reader.js';

export interface HubOptions {
  /** How often changes are sent, in milliseconds. */
  readonly intervalMs: number;
  /** How often an idle stream gets a heartbeat, in milliseconds. */
  readonly heartbeatMs: number;
  /** How long a reader may take no message, in milliseconds. */
  readonly patienceMs: number;
  /** Most readers at a time. */
  readonly maxReaders: number;
}

/** Changes of a circuit's state are collected for this long, and then sent. In milliseconds. */
const URGENT_MS = 50;

/** Sends the messages of a feed to all open pages. A message is made once, and all readers share its bytes. */
export class Hub {
  readonly #feed: Feed;
  readonly #options: HubOptions;
  readonly #onError: (error: unknown) => void;
  readonly #readers = new Set<Reader>();
  #timer: NodeJS.Timeout | undefined;
  #urgent: NodeJS.Timeout | undefined;
  /** The present snapshot, until something changes. */
  #snapshot: Buffer | undefined;
  #sentAtMs = 0;
  #isClosed = false;

  /** @param onError called with the errors of the feed; must not throw */
  constructor(feed: Feed, options: HubOptions, onError: (error: unknown) => void) {
    this.#feed = feed;
    this.#options = options;
    this.#onError = onError;
    feed.onUrgent = () => this.#soon();
    this.#arm();
  }

  get readers(): number {
    return this.#readers.size;
  }

  get isFull(): boolean {
    return this.#isClosed || this.#readers.size >= this.#options.maxReaders;
  }

  /** Adds a response whose head has been written. Its first message is a snapshot. */
  add(response: ServerResponse): void {
    const reader = new Reader(response, this.#options.patienceMs);
    this.#readers.add(reader);
    const remove = () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#arm();
    };
    response.once('close', remove);
    response.on('error', remove);
    if (this.#readers.size === 1) this.#arm();
    this.#tick();
  }

  /** The whole state as JSON, for a single request. */
  snapshot(): string {
    this.#tick();
    return JSON.stringify(this.#feed.full());
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#urgent);
    for (const reader of this.#readers) reader.drop();
    this.#readers.clear();
    this.#feed.close();
  }

  /** Sets the timer: fast while there are readers, slow for a history, none otherwise. It keeps no process alive. */
  #arm(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const intervalMs = this.#readers.size > 0 ? this.#options.intervalMs : this.#feed.idleIntervalMs;
    if (this.#isClosed || intervalMs === undefined) return;
    this.#timer = setInterval(() => this.#tick(), intervalMs);
    this.#timer.unref();
  }

  #soon(): void {
    if (this.#urgent !== undefined || this.#readers.size === 0 || this.#isClosed) return;
    this.#urgent = setTimeout(() => this.#tick(), URGENT_MS);
    this.#urgent.unref();
  }

  #tick(): void {
    clearTimeout(this.#urgent);
    this.#urgent = undefined;
    try {
      this.#send(performance.now());
    } catch (error) {
      this.#onError(error);
    }
  }

  #send(nowMs: number): void {
    const changes = this.#feed.changes();
    if (changes !== undefined) this.#snapshot = undefined;
    if (this.#readers.size === 0) return;
    if (changes === 'anew') for (const reader of this.#readers) reader.miss();
    const bytes = changes === undefined || changes === 'anew' ? undefined : message('delta', changes);
    const isQuiet = bytes === undefined && nowMs - this.#sentAtMs >= this.#options.heartbeatMs;
    const heartbeat = isQuiet ? message('heartbeat', { atMs: Date.now() }) : undefined;
    if (bytes !== undefined || isQuiet) this.#sentAtMs = nowMs;
    for (const reader of this.#readers) {
      if (reader.isStuck(nowMs)) {
        this.#readers.delete(reader);
        reader.drop();
      } else if (reader.isBehind) {
        if (reader.isReady) reader.sendSnapshot(this.#snapshotBytes(), nowMs);
      } else if (bytes !== undefined) reader.send(bytes, nowMs);
      else if (heartbeat !== undefined) reader.send(heartbeat, nowMs);
    }
  }

  #snapshotBytes(): Buffer {
    this.#snapshot ??= message('snapshot', this.#feed.full());
    return this.#snapshot;
  }
}

/** Encodes an event of a stream. JSON has no line breaks, so that a single `data` line is enough. */
function message(event: 'snapshot' | 'delta' | 'heartbeat', data: object): Buffer {
  return Buffer.from(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
