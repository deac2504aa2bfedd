import type { Dispatcher } from 'undici';
import { isTimeout } from '../../abort-reason.js';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import type { Asked } from '../http/asked.js';
import { fallbackParts } from '../http/fallback-parts.js';
import { type BodyOwner, type EndedBy, GoodBody } from '../http/good-body.js';
import { rejectedError } from '../http/rejected-error.js';
import {
  askChain,
  causeOfEnd,
  concludeBad,
  concludeError,
  type Ended,
  isBad,
  leave,
} from '../http/without-good-response.js';
import { BodyTimer, type TimerListener } from './body-timer.js';
import { CallerSide, type Upstream } from './caller-side.js';
import { ResponseHeaders, type UndiciHeaders } from './headers.js';
import { type ClassifyHead, judgeHead } from './response-head.js';
import { ASKING, type HeldHead, type HeldResponse, MOST_DRAINED, OVER, type Stage } from './stage.js';
import { headOfError, isRefused } from './undici-error.js';
import { destroyUnread } from './unread-body.js';

/** A request of a dispatcher under a guard: the handler that stands between the real request and the caller's handler. */
export class DispatchCall implements Dispatcher.DispatchHandler, BodyOwner, Upstream, TimerListener {
  readonly call: OpenCall;
  judged: Outcome | undefined;
  endedBy: EndedBy;
  cancelChain: () => void = nothing;
  private readonly asked: Asked;
  private readonly classify: ClassifyHead | undefined;
  private readonly caller: CallerSide;
  private readonly timer: BodyTimer;
  private real: Dispatcher.DispatchController | undefined;
  private stage: Stage = { is: 'waiting' };

  constructor(
    call: OpenCall,
    asked: Asked,
    classify: ClassifyHead | undefined,
    handler: Dispatcher.DispatchHandler,
  ) {
    this.call = call;
    this.asked = asked;
    this.classify = classify;
    this.caller = new CallerSide(handler, this);
    this.timer = new BodyTimer(call, this);
  }

  /** @returns the result of `dispatch`: false where the caller must wait before it dispatches more */
  run(dispatch: Dispatcher.Dispatch, options: Dispatcher.DispatchOptions): boolean {
    const { call, timer } = this;
    if (call.rejection !== undefined) {
      this.rejected(options.body);
      return true;
    }
    timer.limitTo(call.primaryDeadlineMs);
    if (this.asked.wantsEvents) timer.limitFirstEvent();
    try {
      return dispatch(options, this);
    } catch (error) {
      this.stage = OVER;
      call.settle('ignored', 0);
      this.release();
      throw error;
    }
  }

  release(): void {
    this.timer.stop();
  }

  // ---------------------------------------------------------------- by the caller, and by time

  pause(): void {
    this.timer.paused();
    if (this.stage.is === 'passing') this.real?.pause();
  }

  resume(): void {
    this.timer.resumed();
    if (this.stage.is === 'passing') this.real?.resume();
  }

  abort(reason: Error): void {
    this.endedBy ??= isTimeout(reason) ? 'time' : 'caller';
    this.cancelChain();
    this.endReal(reason);
  }

  onLimit(error: Error): void {
    this.endedBy ??= 'limit';
    this.endReal(error);
  }

  onStalled(error: unknown): void {
    this.stage = OVER;
    this.caller.fail(error);
    this.real?.abort(new DOMException('failsoft: the stream stands still', 'TimeoutError'));
  }

  private endReal(error: Error): void {
    const { real, stage } = this;
    switch (stage.is) {
      case 'held':
      case 'asking':
        // a caller whose time is over still gets an answer that is there at once
        if (this.endedBy === 'caller') this.caller.fail(error);
        return;
      case 'over':
        return this.caller.fail(error);
      case 'draining':
        this.stage = OVER;
        return real?.abort(error);
      default:
        this.onResponseError(real, error);
        real?.abort(error); // it reports this error again, which has no effect
    }
  }

  // ---------------------------------------------------------------- by the real request

  onRequestStart(real: Dispatcher.DispatchController, context: unknown): void {
    if (this.stage.is !== 'waiting') return real.abort(this.caller.reason ?? replaced());
    this.real = real;
    this.caller.start(context);
  }

  onResponseStarted(): void {
    this.caller.responseStarted();
  }

  onResponseStart(
    real: Dispatcher.DispatchController,
    status: number,
    headers: UndiciHeaders,
    statusText?: string,
  ): void {
    if (this.stage.is !== 'waiting') return;
    if (status < 200) return this.give(() => this.caller.head(status, headers, statusText));
    const { call } = this;
    this.judged = judgeHead(this.classify, { statusCode: status, headers }, (error) =>
      call.report(error, 'classifyHead'),
    );
    this.caller.rawHeaders = real?.rawHeaders ?? null;
    const head = { status, headers, statusText };
    if (isBad(status, this.judged)) return this.bad(head);
    const isEvents = /^text\/event-stream\b/i.test(new ResponseHeaders(headers).get('content-type') ?? '');
    if (!isEvents) {
      this.timer.awaitNoEvent();
      this.timer.limitTo(call.deadlineMs);
      return this.passGood(head, false);
    }
    if (!this.asked.wantsEvents) this.timer.limitFirstEvent();
    this.stage = { is: 'before-first-event', head };
  }

  onResponseData(real: Dispatcher.DispatchController, chunk: Buffer): void {
    this.endWaitForEvent();
    const { stage } = this;
    if (stage.is === 'passing') {
      stage.body?.onChunk(chunk, this.timer.arrived());
      this.give(() => this.caller.data(chunk));
    } else if (stage.is === 'held') {
      stage.chunks.push(chunk);
    } else if (stage.is === 'draining') {
      stage.leftBytes -= chunk.byteLength;
      if (stage.leftBytes >= 0) return;
      this.stage = OVER;
      real.abort(replaced());
    }
  }

  onResponseEnd(real: Dispatcher.DispatchController | undefined, trailers: UndiciHeaders): void {
    this.endWaitForEvent();
    const { stage } = this;
    if (stage.is === 'draining') this.release();
    if (stage.is === 'held') stage.end = { trailers };
    if (stage.is !== 'passing') return;
    this.stage = OVER;
    stage.body?.onEnd();
    this.release();
    this.caller.rawTrailers = real?.rawTrailers ?? null;
    this.caller.end(trailers);
  }

  onResponseError(_real: Dispatcher.DispatchController | null | undefined, error: unknown): void {
    const { stage } = this;
    switch (stage.is) {
      case 'waiting':
      case 'before-first-event':
        return this.failed(error);
      case 'held':
        stage.end = { error };
        return;
      case 'passing':
        this.stage = OVER;
        stage.body?.onError(error);
        this.release();
        return this.caller.fail(error);
      case 'draining':
        this.release();
        this.stage = OVER;
    }
  }

  // ---------------------------------------------------------------- the response

  private endWaitForEvent(): void {
    if (this.stage.is !== 'before-first-event') return;
    this.timer.stop(); // from here on without a deadline: a stream of events may run for hours
    this.passGood(this.stage.head, true);
  }

  private passGood(head: HeldHead, isEvents: boolean): void {
    const { status, headers } = head;
    const good = { status, headers: new ResponseHeaders(headers) };
    const body = new GoodBody(this, good, isEvents, this.call.elapsedMs);
    this.timer.watch(body, isEvents);
    this.pass(head, body);
  }

  private pass({ status, headers, statusText }: HeldHead, body: GoodBody | undefined): void {
    this.stage = { is: 'passing', body };
    this.give(() => this.caller.head(status, headers, statusText));
  }

  /** Calls the caller's handler. An error of the handler ends the request, and is no evidence against the server. */
  private give(event: () => void): void {
    try {
      event();
    } catch (error) {
      this.endedBy ??= 'caller';
      throw error; // undici gives it back to the handler, as the error of the request
    }
  }

  private bad(head: HeldHead): void {
    const { call } = this;
    const { status, statusText = '', headers } = head;
    const shown = { status, statusText, headers: new ResponseHeaders(headers) };
    const ended = concludeBad(call, shown, this.judged, call.elapsedMs);
    this.timer.stop();
    const cause = causeOfEnd(call, ended);
    if (cause === undefined) {
      this.giveOwn(ended);
      return this.pass(head, undefined);
    }
    this.real?.pause();
    const held: HeldResponse = { is: 'held', chunks: [] };
    this.stage = held;
    void this.orElse(cause, () => {
      this.giveOwn(ended);
      if (this.caller.aborted) {
        this.drop();
        return this.caller.fail(this.caller.reason);
      }
      this.pass(head, undefined);
      this.goOn(held);
    });
  }

  private goOn({ chunks, end }: HeldResponse): void {
    for (const chunk of chunks) this.give(() => this.caller.data(chunk));
    if (end === undefined) {
      if (!this.caller.paused) this.real?.resume();
    } else if ('error' in end) this.onResponseError(this.real, end.error);
    else this.onResponseEnd(this.real, end.trailers);
  }

  // ---------------------------------------------------------------- no good response

  private rejected(body: unknown): void {
    const { call } = this;
    this.stage = ASKING;
    this.caller.start({});
    const own = (result: FallbackResult) => {
      this.stage = OVER;
      this.caller.fail(rejectedError(call.rejection, call.rejectedStatus(result)));
    };
    void this.orElse(call.rejectedCause(), own).then(() => destroyUnread(body));
  }

  private failed(error: unknown): void {
    const { call, endedBy } = this;
    this.release();
    this.stage = OVER;
    if (endedBy === 'caller') {
      leave(call);
      return this.caller.fail(error);
    }
    const head = endedBy === undefined ? headOfError(error) : undefined;
    const ended =
      head === undefined
        ? concludeError(call, error, endedBy, isRefused(error) ? 'ignored' : undefined)
        : concludeBad(call, head, undefined, call.elapsedMs);
    const own = () => {
      this.stage = OVER;
      this.giveOwn(ended);
      this.caller.fail(error);
    };
    const cause = causeOfEnd(call, ended);
    if (cause === undefined) return own();
    this.stage = ASKING;
    void this.orElse(cause, own);
  }

  private giveOwn({ outcome, received }: Ended): void {
    this.call.gaveOwn(outcome, received.code);
  }

  /** A fallback's response, or else the real request's own end. Never rejects. */
  private async orElse(cause: Cause, own: (result: FallbackResult) => void): Promise<void> {
    const replacement = await askChain(this.call, cause, this, fallbackParts);
    if (replacement.by === 'nothing') {
      try {
        return own(replacement.result);
      } catch (error) {
        // the caller's handler has thrown
        this.drop();
        return this.caller.fail(error);
      }
    }
    this.drop();
    if (replacement.by === 'answer') await this.caller.play(replacement.made, this.asked.method !== 'HEAD');
  }

  /** Ends the real request, of which the caller gets no more. */
  private drop(): void {
    const { real, stage } = this;
    const isAlive = (stage.is === 'held' && stage.end === undefined) || stage.is === 'passing';
    this.stage = isAlive ? { is: 'draining', leftBytes: MOST_DRAINED } : OVER;
    if (!isAlive) return;
    this.timer.limitTo(this.call.deadlineMs);
    real?.resume();
  }
}

function replaced(): Error {
  return new DOMException('failsoft: the caller has its answer', 'AbortError');
}

function nothing(): void {}
