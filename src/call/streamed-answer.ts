import { wellFormed } from '../text.js';
import type { Call } from './call.js';
import { isIterable, iteratorOf, leaveLate } from './iterators.js';

/** After this many messages the event loop gets a turn, so that an endless source cannot delay a deadline or a cancellation. */
const MOST_PER_TURN = 32;

/** Called for each message of a streamed answer, and then once for its end, unless the answer is stopped before. */
export interface StreamedAnswerListener {
  onStreamMessage(message: unknown): void;
  onStreamEnd(): void;
  /** @param given whether the caller has already got a message */
  onStreamError(details: string, given: boolean): void;
  onStreamDeadline(details: string): void;
  /** Called when the caller has abandoned the answer. */
  onStreamLeft(details: string): void;
}

/** A fallback's streamed answer. Delivers the messages, enforces the deadline, and ends if the caller stops reading. */
export class StreamedAnswer {
  readonly #call: Call;
  readonly #listener: StreamedAnswerListener;
  readonly #stream: AnswerStream;
  #given = false;
  #over = false;
  #stopDeadline: (() => void) | undefined;
  #stopAwaiting: (() => void) | undefined;

  constructor(call: Call, message: unknown, listener: StreamedAnswerListener) {
    this.#call = call;
    this.#listener = listener;
    this.#stream = new AnswerStream(isIterable(message) ? message : [message], call.reads, {
      onMessage: (each) => {
        this.#given = true;
        listener.onStreamMessage(each);
        this.#awaitReader();
      },
      onEnd: () => listener.onStreamEnd(),
      onError: (error) => {
        const text = error instanceof Error ? error.message : String(error);
        listener.onStreamError(wellFormed(`failsoft: the fallback's stream failed: ${text}`), this.#given);
      },
    });
  }

  start(): void {
    this.#watchDeadline();
    this.#awaitReader();
    this.#stream.pump();
  }

  /** Called when the caller asks for a message. */
  read(): void {
    this.#stopAwaiting?.();
    this.#stream.read();
  }

  /** Ends the answer. Does nothing if it has ended. */
  stop(): void {
    this.#over = true;
    this.#stopDeadline?.();
    this.#stopAwaiting?.();
    this.#stream.cancel();
  }

  #watchDeadline(): void {
    const { deadlineMs, method } = this.#call;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const expired = () =>
      this.#listener.onStreamDeadline("failsoft: deadline exceeded in a fallback's stream");
    // A deadline that has already passed ends the answer in a later turn, so that messages that are there at once are delivered.
    this.#stopDeadline = method.clock.setTimer(expired, Math.max(0, deadlineMs - Date.now()));
  }

  /** Ends the answer if the caller does not ask for another message in time. */
  #awaitReader(): void {
    if (this.#over || !this.#stream.idle) return;
    const { clock, settings } = this.#call.method;
    const abandoned = () =>
      this.#listener.onStreamLeft("failsoft: the caller did not read the fallback's stream");
    this.#stopAwaiting = clock.setTimer(abandoned, settings.abandonedAfterMs);
  }
}

/** Receives the messages of a streamed answer. */
interface AnswerSink {
  onMessage(message: unknown): void;
  onEnd(): void;
  onError(error: unknown): void;
}

/**
 * Delivers a fallback's messages, one per `startRead`, as grpc-js delivers a server's: a slow reader slows the source down, and
 * the status never overtakes a message.
 */
class AnswerStream {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #sink: AnswerSink;
  #reads: number;
  #pulling = false;
  #inTurn = 0;
  #over = false;

  /** @param reads how many messages the caller has already asked for */
  constructor(messages: Iterable<unknown> | AsyncIterable<unknown>, reads: number, sink: AnswerSink) {
    this.#iterator = openedOrFailing(messages);
    this.#sink = sink;
    this.#reads = reads;
  }

  /** Whether the caller has got every message that it asked for. */
  get idle(): boolean {
    return this.#reads === 0;
  }

  read(): void {
    this.#reads++;
    this.pump();
  }

  /** Delivers messages, one at a time, until the caller has got every message that it asked for. */
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
    leaveLate(this.#iterator);
  }
}

function nextTurn(stream: AnswerStream): void {
  stream.goOn();
}

/** The iterator of a source. If it cannot be made, an iterator whose first message fails with the error. */
function openedOrFailing(
  messages: Iterable<unknown> | AsyncIterable<unknown>,
): Iterator<unknown> | AsyncIterator<unknown> {
  try {
    return iteratorOf(messages);
  } catch (error) {
    return { next: () => Promise.reject(error) };
  }
}
