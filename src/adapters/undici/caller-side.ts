import type { Dispatcher } from 'undici';
import type { FallbackParts } from '../http/fallback-parts.js';
import { rawHeaders, type UndiciHeaders } from './headers.js';

type Raw = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>;

/** The head of a response, as the caller's handler gets it. */
export interface Head {
  readonly status: number;
  readonly headers: UndiciHeaders;
  readonly statusText: string | undefined;
}

/** The source of a handler's events. The handler's controller passes its calls on to it. */
export interface Upstream {
  pause(): void;
  resume(): void;
  /** The caller has ended the request. */
  abort(reason: Error): void;
}

/**
 * The caller's handler, and the controller that it gets. The handler is started once and ended once, whatever the real request does.
 * The controller pauses, resumes and aborts the real request, or a fallback's answer.
 */
export class CallerSide implements Dispatcher.DispatchController {
  rawHeaders: Raw = null;
  rawTrailers: Raw = null;
  paused = false;
  aborted = false;
  reason: Error | null = null;
  private readonly handler: Dispatcher.DispatchHandler;
  private readonly upstream: Upstream;
  private started = false;
  private ended = false;
  private wake: (() => void) | undefined;

  constructor(handler: Dispatcher.DispatchHandler, upstream: Upstream) {
    this.handler = handler;
    this.upstream = upstream;
  }

  // ---------------------------------------------------------------- by the caller

  pause(): void {
    this.paused = true;
    this.upstream.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.upstream.resume();
    this.wake?.();
  }

  abort(reason?: Error): void {
    if (this.aborted || this.ended) return;
    this.aborted = true;
    this.reason = reason ?? new DOMException('This operation was aborted', 'AbortError');
    this.upstream.abort(this.reason);
    this.wake?.();
  }

  // ---------------------------------------------------------------- to the caller

  start(context: unknown): void {
    if (this.started) return;
    this.started = true;
    this.handler.onRequestStart?.(this, context);
  }

  responseStarted(): void {
    if (!this.ended) this.handler.onResponseStarted?.();
  }

  head({ status, headers, statusText }: Head): void {
    if (!this.ended) this.handler.onResponseStart?.(this, status, headers, statusText);
  }

  data(chunk: Buffer): void {
    if (!this.ended) this.handler.onResponseData?.(this, chunk);
  }

  end(trailers: UndiciHeaders, raw: Raw | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.rawTrailers = raw ?? null;
    this.handler.onResponseEnd?.(this, trailers);
  }

  fail(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    // undici's handlers accept any value: the reason of an abort need not be an Error
    this.handler.onResponseError?.(this, error as Error);
  }

  /** Gives a fallback's answer, as fast as the caller takes it. Never rejects. */
  async play({ status, headers, body }: FallbackParts, hasBody: boolean): Promise<void> {
    try {
      this.start({});
      this.rawHeaders = rawHeaders(headers);
      this.head({ status, headers, statusText: '' });
      await this.flowing();
      if (hasBody && body !== undefined && body.byteLength > 0) this.data(Buffer.from(body));
      await this.flowing();
      this.end({}, []);
    } catch (error) {
      // the caller's handler has thrown, and gets its own error, as undici does it
      this.fail(error);
    }
  }

  private async flowing(): Promise<void> {
    while (this.paused && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
