import type { Metadata } from '@grpc/grpc-js';
import { PRIMARY, type Provenance } from '../../status/provenance.js';
import type { StreamSource } from './stream-run.js';

/** The run that a {@link GuardedStream} reads. */
export interface StreamRunner<Res> {
  readonly source: StreamSource;
  messages(): AsyncGenerator<Res, void, undefined>;
  leave(): void;
}

/**
 * The messages of a guarded stream. Nothing happens before the first `next()` or {@link GuardedStream.ready}, so a stream that is
 * never read holds no permit. To stop reading early, call `return()`, as `for await` does, or abort the call's signal: otherwise
 * the stream holds its permit until it has been idle for `abandonedAfterMs`.
 */
export class GuardedStream<Res> implements AsyncIterableIterator<Res> {
  readonly #open: () => Promise<StreamRunner<Res>>;
  #opened: Promise<void> | undefined;
  #runner: StreamRunner<Res> | undefined;
  #messages: AsyncGenerator<Res, void, undefined> | undefined;
  #first: Promise<IteratorResult<Res>> | undefined;
  #left = false;

  constructor(open: () => Promise<StreamRunner<Res>>) {
    this.#open = open;
  }

  /** Where the messages come from; `primary` before the first message. */
  get provenance(): Provenance {
    return this.#runner?.source.provenance ?? PRIMARY;
  }

  /** The label of a fallback's answer, as metadata; undefined for the primary's answer. */
  get label(): Metadata | undefined {
    return this.#runner?.source.label;
  }

  /**
   * Starts the stream, and waits for its first message or its end.
   * @returns where the messages come from
   * @throws the error of the stream, if it fails before its first message
   */
  async ready(): Promise<Provenance> {
    this.#first ??= this.#pull();
    await this.#first;
    return this.provenance;
  }

  /** The next message. The first call starts the stream. @throws the error of the stream */
  next(): Promise<IteratorResult<Res>> {
    const first = this.#first;
    if (first === undefined) return this.#pull();
    this.#first = undefined;
    return first;
  }

  /** Leaves the stream: its call is cancelled, and its permit is given back. */
  async return(): Promise<IteratorResult<Res>> {
    this.#left = true;
    await this.#opened?.catch(() => undefined);
    this.#runner?.leave();
    await this.#messages?.return();
    return { done: true, value: undefined };
  }

  /** Leaves the stream, and rejects with the error. */
  async throw(error: unknown): Promise<IteratorResult<Res>> {
    await this.return();
    throw error;
  }

  /** The stream itself: its messages can be read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  async #pull(): Promise<IteratorResult<Res>> {
    this.#opened ??= this.#begin();
    await this.#opened;
    return this.#messages?.next() ?? { done: true, value: undefined };
  }

  async #begin(): Promise<void> {
    if (this.#left) return;
    this.#runner = await this.#open();
    this.#messages = this.#runner.messages();
    if (this.#left) this.#runner.leave();
  }
}
