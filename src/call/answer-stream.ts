import { iteratorOf } from './iterators.js';
/** Receives the messages of a streamed answer. */
export interface AnswerSink {
  onMessage(message: unknown): void;
  onEnd(): void;
  onError(error: unknown): void;
}

/** After so many messages the event loop gets a turn, so that an endless source cannot delay a deadline or a cancellation. */
const MOST_PER_TURN = 32;

/**
 * Delivers one message of a fallback per `startRead`, as grpc-js does for a server's: a slow reader slows the source, and
 * the status never overtakes a message.
 */
export class AnswerStream {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #sink: AnswerSink;
  #reads: number;
  #pulling = false;
  #inTurn = 0;
  #over = false;

  /** @param reads how many messages the caller has asked for already */
  constructor(messages: Iterable<unknown> | AsyncIterable<unknown>, reads: number, sink: AnswerSink) {
    this.#iterator = openedOrFailing(messages);
    this.#sink = sink;
    this.#reads = reads;
  }

  /** Whether the caller has read every message that it asked for. */
  get idle(): boolean {
    return this.#reads === 0;
  }

  read(): void {
    this.#reads++;
    this.pump();
  }

  /** Delivers messages, one at a time, until each requested message was delivered. */
  pump(): void {
    if (this.#pulling || this.#over || this.#reads === 0) return;
    this.#pulling = true;
    if (++this.#inTurn > MOST_PER_TURN) return void setImmediate(nextTurn, this);
    this.#pull().then(
      (result) => {
        this.#pulling = false;
        if (this.#over) return;
        if (result.done) {
          this.#over = true;
          this.#sink.onEnd();
        } else {
          this.#reads--;
          this.#sink.onMessage(result.value);
          this.pump();
        }
      },
      (error: unknown) => {
        if (this.#over) return;
        this.#over = true;
        this.#sink.onError(error);
      },
    );
  }

  /** Continues in a new turn of the event loop. */
  goOn(): void {
    this.#inTurn = 0;
    this.#pulling = false;
    this.pump();
  }

  async #pull(): Promise<IteratorResult<unknown>> {
    return this.#iterator.next();
  }

  /** Stops the source, which can clean up in `return()`. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop().catch(() => undefined); // the call is over: there is no caller left for this error
  }

  async #stop(): Promise<void> {
    await this.#iterator.return?.();
  }
}

function nextTurn(stream: AnswerStream): void {
  stream.goOn();
}

/** A source whose iterator cannot be made fails like a source whose first message fails. */
function openedOrFailing(
  messages: Iterable<unknown> | AsyncIterable<unknown>,
): Iterator<unknown> | AsyncIterator<unknown> {
  try {
    return iteratorOf(messages);
  } catch (error) {
    return { next: () => Promise.reject(error) };
  }
}
