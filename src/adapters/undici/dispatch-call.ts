import type { Dispatcher } from 'undici';
import { isTimeout } from '../../abort-reason.js';
import type { OpenCall } from '../../call/neutral/open-call.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Asked } from '../http/asked.js';
import type { EndedBy } from '../http/early-end.js';
import { type BodyOwner, GoodBody } from '../http/good-body.js';
import { isEventStream } from '../http/headers.js';
import { isBad } from '../http/judge.js';
import { TimeLimits } from '../http/time-limits.js';
import { BadEnd, type EndedRequest, replaced } from './bad-end.js';
import { BodyTimer } from './body-timer.js';
import { CallerSide, type Head, type Upstream } from './caller-side.js';
import { ResponseHeaders, type UndiciHeaders } from './headers.js';
import { type ClassifyHead, judgeHead } from './response-head.js';

/** The stage of a request, which decides what the next event of the real request does. */
type Stage =
  | { readonly is: 'waiting' }
  /** The head of server-sent events is held back until the first event: until then a fallback may answer. */
  | { readonly is: 'before-first-event'; readonly head: Head }
  /** The caller gets the body of a good response. */
  | { readonly is: 'passing'; readonly body: GoodBody }
  | BadEnd
  | { readonly is: 'over' };

const OVER: Stage = { is: 'over' };

export interface DispatchSettings {
  readonly classifyHead: ClassifyHead | undefined;
  readonly sendsAsGiven: boolean;
}

/** A request of a dispatcher under a guard: the handler that stands between the real request and the caller's handler. */
export class DispatchCall implements Dispatcher.DispatchHandler, BodyOwner, Upstream, EndedRequest {
  readonly call: OpenCall;
  readonly asked: Asked;
  readonly caller: CallerSide;
  readonly limits: TimeLimits;
  judged: Outcome | undefined;
  endedBy: EndedBy;
  cancelChain: () => void = nothing;
  private readonly settings: DispatchSettings;
  private readonly timer: BodyTimer;
  private real: Dispatcher.DispatchController | undefined;
  private stage: Stage = { is: 'waiting' };

  constructor(call: OpenCall, asked: Asked, settings: DispatchSettings, handler: Dispatcher.DispatchHandler) {
    this.call = call;
    this.asked = asked;
    this.settings = settings;
    this.caller = new CallerSide(handler, this);
    this.limits = new TimeLimits(call.clock, (error) => this.onLimit(error));
    this.timer = new BodyTimer(call, (error) => this.onStalled(error));
  }

  get sendsAsGiven(): boolean {
    return this.settings.sendsAsGiven;
  }

  /** @returns the result of `dispatch`: false where the caller must wait before it dispatches more */
  run(dispatch: Dispatcher.Dispatch, options: Dispatcher.DispatchOptions): boolean {
    const { call, limits } = this;
    if (call.rejection !== undefined) {
      this.badEnd().rejected(options.body);
      return true;
    }
    limits.limitTo(call.primaryDeadlineMs);
    if (this.asked.wantsEvents) limits.limitFirstEvent(call.limits.firstMessageTimeoutMs);
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
    this.limits.stop();
    this.timer.stop();
  }

  // ---------------------------------------------------------------- by the caller, and by time

  pause(): void {
    this.timer.paused();
    if (this.passes) this.real?.pause();
  }

  resume(): void {
    this.timer.resumed();
    if (this.passes) this.real?.resume();
  }

  private get passes(): boolean {
    const { stage } = this;
    return stage.is === 'bad-end' ? stage.passes : stage.is === 'passing';
  }

  abort(reason: Error): void {
    this.endedBy ??= isTimeout(reason) ? 'time' : 'caller';
    this.cancelChain();
    this.end(reason);
  }

  private onLimit(error: Error): void {
    this.endedBy ??= 'limit';
    if (this.stage.is === 'bad-end') this.stage.onLimit(error);
    else this.end(error);
  }

  private end(error: Error): void {
    const { real, stage } = this;
    if (stage.is === 'over') return this.caller.fail(error);
    if (stage.is === 'bad-end') return stage.abort(error);
    this.onResponseError(real, error);
    real?.abort(error); // it reports this error again, which has no effect
  }

  private onStalled(error: unknown): void {
    this.stage = OVER;
    this.caller.fail(error);
    this.real?.abort(new DOMException('failsoft: the stream stands still', 'TimeoutError'));
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
    const head = { status, headers, statusText };
    if (status < 200) return this.give(() => this.caller.head(head));
    const { call, limits } = this;
    this.judged = judgeHead(this.settings.classifyHead, { statusCode: status, headers }, (error) =>
      call.report(error, 'classifyHead'),
    );
    this.caller.rawHeaders = real?.rawHeaders ?? null;
    if (isBad(status, this.judged)) return this.badEnd().bad(head, this.judged);
    if (!isEventStream(new ResponseHeaders(headers))) {
      limits.awaitNoEvent();
      limits.limitTo(call.deadlineMs);
      return this.pass(head, false);
    }
    if (!this.asked.wantsEvents) limits.limitFirstEvent(call.limits.firstMessageTimeoutMs);
    this.stage = { is: 'before-first-event', head };
  }

  onResponseData(real: Dispatcher.DispatchController, chunk: Buffer): void {
    this.endWaitForEvent();
    const { stage } = this;
    if (stage.is === 'bad-end') return stage.onChunk(real, chunk);
    if (stage.is !== 'passing') return;
    stage.body.onChunk(chunk, this.timer.arrived());
    this.give(() => this.caller.data(chunk));
  }

  onResponseEnd(real: Dispatcher.DispatchController | undefined, trailers: UndiciHeaders): void {
    this.endWaitForEvent();
    const { stage } = this;
    if (stage.is === 'bad-end') return stage.onEnd(real, trailers);
    if (stage.is !== 'passing') return;
    this.stage = OVER;
    stage.body.onEnd();
    this.caller.end(trailers, real?.rawTrailers);
  }

  onResponseError(_real: Dispatcher.DispatchController | null | undefined, error: unknown): void {
    const { stage } = this;
    switch (stage.is) {
      case 'waiting':
      case 'before-first-event':
        return this.badEnd().failed(error);
      case 'passing':
        this.stage = OVER;
        stage.body.onError(error);
        return this.caller.fail(error);
      case 'bad-end':
        return stage.onError(error);
    }
  }

  // ---------------------------------------------------------------- the response

  private endWaitForEvent(): void {
    if (this.stage.is !== 'before-first-event') return;
    this.limits.stop(); // from here on without a deadline: a stream of events may run for hours
    this.pass(this.stage.head, true);
  }

  private pass(head: Head, isEvents: boolean): void {
    const headers = new ResponseHeaders(head.headers);
    const isCompressed = !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '');
    const good = { status: head.status, headers, isCompressed };
    const body = new GoodBody(this, good, isEvents, this.call.elapsedMs);
    this.timer.watch(body, isEvents);
    this.stage = { is: 'passing', body };
    this.give(() => this.caller.head(head));
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

  private badEnd(): BadEnd {
    const end = new BadEnd(this, this.real);
    this.stage = end;
    return end;
  }
}

function nothing(): void {}
