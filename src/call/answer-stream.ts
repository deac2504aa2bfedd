/** Where the messages of a streamed answer go. */
export interface AnswerSink {
  onMessage(message: unknown): void;
  onEnd(): void;
  onError(error: unknown): void;
}

/** After so many messages the event loop has its turn: an endless source must not keep a deadline or a cancel from its own. */
const MOST_PER_TURN = 32;

/**
 * Delivers a fallback's messages one per `startRead`, as a server's would come: a slow reader slows the source, and the
 * status never overtakes a message.
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
    this.#iterator = iteratorOf(messages);
    this.#sink = sink;
    this.#reads = reads;
  }

  /** Whether nobody has asked for a message. */
  get idle(): boolean {
    return this.#reads === 0;
  }

  read(): void {
    this.#reads++;
    this.pump();
  }

  /** Delivers what is asked for, one message at a time. */
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

  /** Goes on where a turn was full. */
  goOn(): void {
    this.#inTurn = 0;
    this.#pulling = false;
    this.pump();
  }

  async #pull(): Promise<IteratorResult<unknown>> {
    return this.#iterator.next();
  }

  /** The caller is gone: gives the source the chance to clean up. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop().catch(() => undefined); // a source's failure to stop has no one left to hear it
  }

  async #stop(): Promise<void> {
    await this.#iterator.return?.();
  }
}

function nextTurn(stream: AnswerStream): void {
  stream.goOn();
}

/** A source that cannot even be begun fails as one that fails at its first message. */
function iteratorOf(
  messages: Iterable<unknown> | AsyncIterable<unknown>,
): Iterator<unknown> | AsyncIterator<unknown> {
  try {
    return Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]();
  } catch (error) {
    return { next: () => Promise.reject(error) };
  }
}
