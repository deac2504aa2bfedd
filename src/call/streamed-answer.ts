import { wellFormed } from '../text.js';
import { AnswerStream } from './answer-stream.js';
import type { Call } from './call.js';

/** Called with each message of a streamed answer, and then once with how it ended, unless it is stopped before. */
export interface StreamedAnswerListener {
  onStreamMessage(message: unknown): void;
  onStreamEnd(): void;
  /** @param given whether the caller has got a part of it */
  onStreamError(details: string, given: boolean): void;
  onStreamDeadline(details: string): void;
  /** Its reader is gone without a word. */
  onStreamLeft(details: string): void;
}

/** A fallback's streamed answer while it lasts: its messages, the caller's deadline, and a reader who may be gone. */
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
      onMessage: (one) => {
        this.#given = true;
        listener.onStreamMessage(one);
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

  /** The caller asked for a message. */
  read(): void {
    this.#stopAwaiting?.();
    this.#stream.read();
  }

  /** Ends it, whether or not it has ended. */
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
    // A deadline that is over leaves this turn: what answers at once still gets through.
    this.#stopDeadline = method.clock.setTimer(expired, Math.max(0, deadlineMs - Date.now()));
  }

  /** A reader that is gone must not hold what the stream comes from for ever. */
  #awaitReader(): void {
    if (this.#over || !this.#stream.idle) return;
    const { clock, settings } = this.#call.method;
    const left = () => this.#listener.onStreamLeft("failsoft: nobody read the fallback's stream");
    this.#stopAwaiting = clock.setTimer(left, settings.abandonedAfterMs);
  }
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return (
    typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}
