import type { Clock } from '../../clock.js';
import type { BodyWatch } from '../http/good-body.js';

export interface BodyLimits {
  readonly stallMs: number;
  readonly idleMs: number;
  /** How many chunks are read before the caller reads them. */
  readonly readAhead: number;
  /** The body's length in bytes, or Infinity: with its last byte the body is over, also if the caller does not read its end. */
  readonly length: number;
}

/** Waiting for a caller to read a body keeps no process alive. */
const IDLE_IN_BACKGROUND = true;

/**
 * A body that is passed on chunk by chunk, as the caller reads it, and watched. `readAhead` is 2 for documents, so that a short body
 * that is never read still comes to its end, and 0 for a stream of events, whose pauses count only while the caller reads.
 */
export function watchedBody(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  clock: Clock,
  limits: BodyLimits,
  watch: BodyWatch,
  firstChunk?: Uint8Array,
): ReadableStream<Uint8Array> {
  let leftBytes = limits.length;
  /** Whether its end was reported. */
  let over = false;
  /** Whether the caller gets no more chunks. */
  let gone = false;
  let stopTimer = () => {};
  const end = (report: () => void) => {
    stopTimer();
    if (over) return;
    over = true;
    report();
  };
  const arm = (ms: number, expired: () => void, background: boolean) => {
    stopTimer();
    stopTimer = ms < Number.POSITIVE_INFINITY && !over ? clock.setTimer(expired, ms, background) : () => {};
  };
  const awaitReader = () => arm(limits.idleMs, () => watch.onIdle(true), IDLE_IN_BACKGROUND);
  const pass = (
    controller: ReadableStreamDefaultController<Uint8Array>,
    chunk: Uint8Array,
    waitedMs: number,
  ) => {
    watch.onChunk(chunk, waitedMs);
    leftBytes -= chunk.byteLength;
    controller.enqueue(chunk);
    if (leftBytes <= 0) end(() => watch.onEnd());
    else awaitReader();
  };
  const source = {
    start: (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (firstChunk !== undefined) pass(controller, firstChunk, 0);
    },
    pull: (controller: ReadableStreamDefaultController<Uint8Array>) =>
      new Promise<void>((resolve) => {
        const sinceMs = clock.now();
        const settle = () => {
          stopTimer();
          resolve();
        };
        const stalled = () => {
          const error = watch.onStalled();
          over = true;
          gone = true;
          controller.error(error);
          reader.cancel(error).catch(() => undefined); // the caller has got its own error already
          settle();
        };
        if (limits.stallMs <= limits.idleMs) arm(limits.stallMs, stalled, false);
        else arm(limits.idleMs, () => watch.onIdle(false), IDLE_IN_BACKGROUND);
        const fail = (error: unknown) => {
          settle();
          if (gone) return;
          gone = true;
          controller.error(error);
          end(() => watch.onError(error));
        };
        // `catch` is last, for errors of `pass` too: the body of a user's fetch may have chunks that are no bytes
        reader
          .read()
          .then(({ done, value }) => {
            settle();
            if (gone) return;
            if (done) {
              controller.close();
              end(() => watch.onEnd());
            } else pass(controller, value, clock.now() - sinceMs);
          })
          .catch(fail);
      }),
    cancel: (reason: unknown) => {
      gone = true;
      end(() => watch.onCancel());
      return reader.cancel(reason);
    },
  };
  return new ReadableStream<Uint8Array>(source, { highWaterMark: limits.readAhead });
}
