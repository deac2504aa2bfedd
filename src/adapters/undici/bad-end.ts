import type { Dispatcher } from 'undici';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import type { Asked } from '../http/asked.js';
import { leave } from '../http/early-end.js';
import { fallbackParts } from '../http/fallback-parts.js';
import { isEventStream } from '../http/headers.js';
import { rejectedError } from '../http/rejected-error.js';
import type { TimeLimits } from '../http/time-limits.js';
import { type Asker, askChain, concludeBad, concludeError } from '../http/without-good-response.js';
import type { CallerSide, Head } from './caller-side.js';
import { ResponseHeaders, type UndiciHeaders } from './headers.js';
import { headOfError, isRefused } from './undici-error.js';
import { destroyUnread } from './unread-body.js';

/** The request that ends. */
export interface EndedRequest extends Asker {
  readonly call: OpenCall;
  readonly asked: Asked;
  readonly caller: CallerSide;
  readonly limits: TimeLimits;
}

/** A bad response that is paused while the chain is asked. It collects the events of dispatchers that cannot pause (MockAgent). */
interface HeldResponse {
  readonly is: 'held';
  readonly head: Head;
  readonly chunks: Buffer[];
  end?: { readonly trailers: UndiciHeaders } | { readonly error: unknown };
}

type Stage =
  /** The real request is over, or was not made, and the chain is asked. */
  | { readonly is: 'asking' }
  | HeldResponse
  /** The caller gets the bad response. */
  | { readonly is: 'passing' }
  /** A bad response that the caller does not get is read to its end, so that its connection can be used again. */
  | { readonly is: 'draining'; leftBytes: number }
  /** The caller has got the end of the request, or a fallback's answer. */
  | { readonly is: 'over' };

const ASKING: Stage = { is: 'asking' };
const PASSING: Stage = { is: 'passing' };
const OVER: Stage = { is: 'over' };
/** In bytes. A longer bad response is not read to its end: that would cost more than a new connection. */
const MOST_DRAINED = 65_536;
/** A bad response that does not end within this time is not read further, because other requests may wait for its connection. */
const LONGEST_DRAINING_MS = 1_000;

/** The end of a request that has no good response: a fallback's answer, or else the bad response, or the error. */
export class BadEnd {
  readonly is = 'bad-end';
  private readonly request: EndedRequest;
  private readonly real: Dispatcher.DispatchController | undefined;
  private stage: Stage = ASKING;
  /** Whether the real request has ended. The caller may get its end later. */
  private isRealOver = false;

  /** @param real undefined for a real request that has not started */
  constructor(request: EndedRequest, real: Dispatcher.DispatchController | undefined) {
    this.request = request;
    this.real = real;
  }

  // ---------------------------------------------------------------- how it began: one of these is called, once

  /** @param body the body of the request, which is not read */
  rejected(body: unknown): void {
    const { call, caller } = this.request;
    caller.start({});
    const own = (result: FallbackResult) => {
      this.stage = OVER;
      caller.fail(rejectedError(call.rejection, call.rejectedStatus(result)));
    };
    void this.orElse(call.rejectedCause(), own).then(() => destroyUnread(body));
  }

  /** The real request has failed before its response, or before its first event. */
  failed(error: unknown): void {
    const { call, caller, endedBy, limits } = this.request;
    limits.stop();
    if (endedBy === 'caller') {
      this.stage = OVER;
      leave(call);
      return caller.fail(error);
    }
    const head = endedBy === undefined ? headOfError(error) : undefined;
    const ended =
      head === undefined
        ? concludeError(call, error, endedBy, isRefused(error))
        : concludeBad(call, head, undefined, call.elapsedMs);
    const own = () => {
      this.stage = OVER;
      ended.gaveOwn();
      caller.fail(error);
    };
    if (ended.cause === undefined) return own();
    void this.orElse(ended.cause, own);
  }

  /** @param judged the outcome that the user's function gave */
  bad(head: Head, judged: Outcome | undefined): void {
    const { call, caller, limits } = this.request;
    const { status, statusText = '', headers } = head;
    const shown = { status, statusText, headers: new ResponseHeaders(headers) };
    const ended = concludeBad(call, shown, judged, call.elapsedMs);
    limits.stop();
    if (ended.cause === undefined) {
      ended.gaveOwn();
      return this.pass(head);
    }
    this.real?.pause();
    const held: HeldResponse = { is: 'held', head, chunks: [] };
    this.stage = held;
    void this.orElse(ended.cause, () => {
      ended.gaveOwn();
      if (!caller.aborted) return this.goOn(held);
      this.drop();
      caller.fail(caller.reason);
    });
  }

  // ---------------------------------------------------------------- by the real request, and by the caller

  /** Whether the caller gets the bad response now. */
  get passes(): boolean {
    return this.stage.is === 'passing';
  }

  onChunk(real: Dispatcher.DispatchController, chunk: Buffer): void {
    const { stage } = this;
    if (stage.is === 'passing') {
      this.request.caller.data(chunk);
    } else if (stage.is === 'held') {
      stage.chunks.push(chunk);
    } else if (stage.is === 'draining') {
      stage.leftBytes -= chunk.byteLength;
      if (stage.leftBytes < 0) this.endReal(real, replaced());
    }
  }

  onEnd(real: Dispatcher.DispatchController | undefined, trailers: UndiciHeaders): void {
    this.isRealOver = true;
    const { stage } = this;
    const { caller, limits } = this.request;
    if (stage.is !== 'held') limits.stop();
    else stage.end = { trailers };
    if (stage.is !== 'passing') return;
    this.stage = OVER;
    caller.end(trailers, real?.rawTrailers);
  }

  onError(error: unknown): void {
    this.isRealOver = true;
    const { stage } = this;
    const { caller, limits } = this.request;
    if (stage.is !== 'held') limits.stop();
    else stage.end = { error };
    if (stage.is !== 'draining' && stage.is !== 'passing') return;
    this.stage = OVER;
    if (stage.is === 'passing') caller.fail(error);
  }

  /** The caller has ended the request, or its time is over. */
  abort(error: Error): void {
    const { is } = this.stage;
    const { caller, endedBy } = this.request;
    if (is === 'asking' || is === 'held') {
      // a caller whose time is over still gets an answer that is there at once
      if (endedBy === 'caller') caller.fail(error);
      return;
    }
    if (is !== 'over') this.endReal(this.real, error);
    caller.fail(error);
  }

  /** The time for the rest of a bad response has passed. */
  onLimit(error: Error): void {
    const { passes } = this;
    this.endReal(this.real, error);
    if (passes) this.request.caller.fail(error); // otherwise the caller has its answer
  }

  private endReal(real: Dispatcher.DispatchController | undefined, error: Error): void {
    this.stage = OVER;
    this.request.limits.stop();
    real?.abort(error);
  }

  // ---------------------------------------------------------------- what the caller gets

  /** A fallback's response, or else the real request's own end. Never rejects. */
  private async orElse(cause: Cause, own: (result: FallbackResult) => void): Promise<void> {
    const { call, caller, asked } = this.request;
    const replacement = await askChain(call, cause, this.request, fallbackParts);
    if (replacement.by === 'nothing') {
      try {
        return own(replacement.result);
      } catch (error) {
        // the caller's handler has thrown
        this.drop();
        return caller.fail(error);
      }
    }
    this.drop();
    if (replacement.by === 'answer') await caller.play(replacement.made, asked.method !== 'HEAD');
  }

  private pass(head: Head): void {
    const { call, caller, limits } = this.request;
    this.stage = PASSING;
    if (!isEventStream(new ResponseHeaders(head.headers))) limits.limitTo(call.deadlineMs);
    caller.head(head);
  }

  /** Gives the caller the bad response, because no fallback has answered. */
  private goOn({ head, chunks, end }: HeldResponse): void {
    const { caller } = this.request;
    this.pass(head);
    for (const chunk of chunks) caller.data(chunk);
    if (end === undefined) {
      if (!caller.paused) this.real?.resume();
    } else if ('error' in end) this.onError(end.error);
    else this.onEnd(this.real, end.trailers);
  }

  /** Ends the real request, of which the caller gets no more. */
  private drop(): void {
    const { stage, real } = this;
    const isAlive = !this.isRealOver && (stage.is === 'held' || stage.is === 'passing');
    this.stage = isAlive ? { is: 'draining', leftBytes: MOST_DRAINED } : OVER;
    const { limits, call } = this.request;
    if (!isAlive) return limits.stop();
    limits.limitTo(Math.min(call.deadlineMs, Date.now() + LONGEST_DRAINING_MS));
    real?.resume();
  }
}

/** The error of a real request that the guard ends, because the caller has another answer. */
export function replaced(): Error {
  return new DOMException('failsoft: the caller has its answer', 'AbortError');
}
