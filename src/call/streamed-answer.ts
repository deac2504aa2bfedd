import { wellFormed } from '../text.js';
import { AnswerStream } from './answer-stream.js';
import type { Call } from './call.js';
import { isIterable } from './iterators.js';

/** Called with each message of a streamed answer, and then once at its end, unless the answer is stopped before. */
export interface StreamedAnswerListener {
  onStreamMessage(message: unknown): void;
  onStreamEnd(): void;
  /** @param given whether the caller has got a message */
  onStreamError(details: string, given: boolean): void;
  onStreamDeadline(details: string): void;
  /** The caller has abandoned it. */
  onStreamLeft(details: string): void;
}

/** A fallback's streamed answer: its messages, the caller's deadline, and the watch for a caller that stops reading. */
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

  /** The caller asked for a message. */
  read(): void {
    this.#stopAwaiting?.();
    this.#stream.read();
  }

  /** Ends it. Does nothing if it has ended. */
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
    // A deadline that has passed ends it in a later turn, so that messages that are there at once still get through.
    this.#stopDeadline = method.clock.setTimer(expired, Math.max(0, deadlineMs - Date.now()));
  }

  /** Frees the source when the caller has stopped reading. */
  #awaitReader(): void {
    if (this.#over || !this.#stream.idle) return;
    const { clock, settings } = this.#call.method;
    const abandoned = () =>
      this.#listener.onStreamLeft("failsoft: the caller did not read the fallback's stream");
    this.#stopAwaiting = clock.setTimer(abandoned, settings.abandonedAfterMs);
  }
}
