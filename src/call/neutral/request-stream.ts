import type { Clock } from '../../clock.js';
import { leaveLate } from '../iterators.js';
import type { SentMessages } from '../sent-messages.js';

/** The call that keeps copies of a request stream's messages. */
interface Sink {
  request: unknown;
  readonly sent: SentMessages | undefined;
}

/** Called when the caller has sent a message, and when it has sent everything. */
export interface RequestWatch {
  sent(): void;
  halfClosed(): void;
}

/**
 * Passes the messages of a request stream from the caller to the real call; fallbacks get copies of them. The source is iterated
 * once: the real call first gets what was read before it began, and a fallback that needs the rest reads on where the real call
 * stopped.
 */
export class RequestStream<Req> implements AsyncIterable<Req> {
  readonly #source: AsyncIterator<Req>;
  #peeked: Promise<IteratorResult<Req>> | undefined;
  #pending: Promise<IteratorResult<Req>> | undefined;
  #sink: Sink | undefined;
  #watch: RequestWatch | undefined;
  /** Whether the caller has sent everything, or failed to. */
  #ended = false;
  #failed = false;
  #closed = false;

  constructor(messages: AsyncIterable<Req>) {
    this.#source = messages[Symbol.asyncIterator]();
  }

  /** The first message, if the caller gives it within a turn of the event loop; otherwise undefined. */
  peek(): Promise<Req | undefined> {
    this.#peeked ??= this.#source.next();
    const first = this.#peeked;
    return new Promise((resolve) => {
      first.then(
        (result) => resolve(result.done === true ? undefined : result.value),
        () => resolve(undefined), // the real call gets this error
      );
      setImmediate(resolve, undefined);
    });
  }

  keepFor(sink: Sink): void {
    this.#sink = sink;
  }

  watchWith(watch: RequestWatch): void {
    this.#watch = watch;
  }

  next(): Promise<IteratorResult<Req>> {
    if (this.#ended || this.#closed) return Promise.resolve({ done: true, value: undefined });
    const read = this.#read();
    this.#pending = read;
    read.catch(() => undefined); // the reader gets the error; this only avoids an unhandled rejection
    return read;
  }

  async #read(): Promise<IteratorResult<Req>> {
    try {
      const peeked = this.#peeked;
      this.#peeked = undefined;
      const result = await (peeked ?? this.#source.next());
      if (result.done === true) {
        this.#ended = true;
        this.#watch?.halfClosed();
        return result;
      }
      if (this.#sink !== undefined) {
        this.#sink.request ??= result.value;
        this.#sink.sent?.add(result.value);
      }
      this.#watch?.sent();
      return result;
    } catch (error) {
      this.#ended = true;
      this.#failed = true;
      throw error;
    }
  }

  /** Called when the real call reads no more. The source stays open, because a fallback may need the rest. */
  return(): Promise<IteratorResult<Req>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The same as {@link return}: an error of the real call is not the caller's. */
  throw(): Promise<IteratorResult<Req>> {
    return this.return();
  }

  [Symbol.asyncIterator](): AsyncIterator<Req> {
    return { next: () => this.next(), return: () => this.return(), throw: () => this.throw() };
  }

  /**
   * Reads the rest of the request for a fallback.
   * @param onCancel called with a function that ends the wait
   * @returns whether the request is complete
   */
  drain(clock: Clock, limitMs: number, onCancel: (cancel: () => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const stop = clock.setTimer(() => end(false), limitMs);
      const end = (complete: boolean) => {
        stop();
        resolve(complete);
      };
      onCancel(() => end(false));
      this.#readAll().then(
        () => end(!this.#failed),
        () => end(false),
      );
    });
  }

  async #readAll(): Promise<void> {
    await this.#pending;
    while (!this.#ended && !this.#closed) await this.next();
  }

  /** Ends the source, because the call is over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#ended) leaveLate(this.#source);
  }
}
