import type { CallAnswer } from '../../call/neutral/call-types.js';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import { OUTCOMES, type Outcome } from '../../classify/outcome.js';
import { invalid } from '../../errors.js';
import type { Cause } from '../../fallback/strategy.js';
import { type ProvenanceMemory, provenanceOf } from '../../status/provenance.js';
import { type BodyOwner, type EndedBy, GoodBody } from '../http/good-body.js';
import { metadataOf } from '../http/headers.js';
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
import type { Described } from './described.js';
import { FetchSignal } from './fetch-signal.js';
import { fallbackResponse, lengthOf, remember, withBody } from './response.js';
import { watchedBody } from './watched-body.js';

/** Returns the outcome of a response, or undefined where the status is to decide. */
export type ClassifyResponse = (response: Response) => Outcome | undefined | PromiseLike<Outcome | undefined>;

export interface FetchSettings {
  readonly classifyResponse: ClassifyResponse | undefined;
  readonly memory: ProvenanceMemory;
}

const NO_LIMITS = {
  stallMs: Number.POSITIVE_INFINITY,
  idleMs: Number.POSITIVE_INFINITY,
  readAhead: 2,
  length: Number.POSITIVE_INFINITY,
};

/** One fetch under a guard. */
export class FetchCall implements BodyOwner {
  readonly call: OpenCall;
  judged: Outcome | undefined;
  private readonly asked: Described;
  private readonly settings: FetchSettings;
  private readonly signal: FetchSignal;

  constructor(call: OpenCall, asked: Described, settings: FetchSettings) {
    this.call = call;
    this.asked = asked;
    this.settings = settings;
    this.signal = new FetchSignal(asked.signal, call.clock);
  }

  get endedBy(): EndedBy {
    return this.signal.endedBy;
  }

  release(): void {
    this.signal.release();
  }

  async run(fetchWith: (signal: AbortSignal) => Promise<Response>): Promise<Response> {
    try {
      return await this.response(fetchWith);
    } catch (error) {
      // also where a user's fetch gives no Response: no permit and no listener stays behind
      this.call.settle('ignored', 0);
      this.release();
      throw error;
    }
  }

  private async response(fetchWith: (signal: AbortSignal) => Promise<Response>): Promise<Response> {
    const { call, asked } = this;
    if (call.rejection !== undefined) return this.runRejected();
    this.signal.limitTo(call.primaryDeadlineMs);
    if (asked.wantsEvents) this.signal.limitFirstEvent(call.limits.firstMessageTimeoutMs);
    let response: Response;
    try {
      response = await fetchWith(this.signal.signal);
    } catch (error) {
      return this.failed(error);
    }
    const waitedMs = call.elapsedMs;
    this.judged = await this.judge(response);
    if (this.endedBy !== undefined) return this.endedEarly(response);
    if (isBad(response.status, this.judged)) return this.bad(response, waitedMs);
    return this.good(response, waitedMs);
  }

  private async judge(response: Response): Promise<Outcome | undefined> {
    const { classifyResponse } = this.settings;
    if (classifyResponse === undefined) return undefined;
    try {
      // the function may wait for a body that never comes
      const outcome = await Promise.race([classifyResponse(response), this.signal.aborted]);
      if (outcome === undefined || OUTCOMES.includes(outcome)) return outcome;
      throw invalid('classifyResponse', `undefined or one of ${OUTCOMES.join(', ')}`, outcome);
    } catch (error) {
      if (this.endedBy === undefined) this.call.report(error, 'classifyResponse');
      return undefined;
    }
  }

  /** Ends a call whose caller went, or whose time was over, while `classifyResponse` ran. */
  private endedEarly(response: Response): Promise<Response> {
    response.body?.cancel().catch(nothing);
    return this.failed(this.signal.signal.reason);
  }

  // ---------------------------------------------------------------- no good response

  private async runRejected(): Promise<Response> {
    const { call } = this;
    return this.askChain(call.rejectedCause(), (result) => {
      throw rejectedError(call.rejection, call.rejectedStatus(result));
    });
  }

  private async failed(error: unknown): Promise<Response> {
    const { call, endedBy } = this;
    this.signal.stopTimers();
    if (endedBy === 'caller') {
      leave(call);
      throw this.signal.callersReason;
    }
    const ended = concludeError(call, error, endedBy, isRefused(error) ? 'ignored' : undefined);
    return this.orElse(ended, () => {
      if (endedBy === 'time') throw this.signal.callersReason;
      throw endedBy === 'limit' ? this.signal.signal.reason : error;
    });
  }

  private bad(response: Response, waitedMs: number): Promise<Response> {
    const ended = concludeBad(this.call, response, this.judged, waitedMs);
    this.signal.stopTimers();
    const drop = () => void response.body?.cancel().catch(nothing); // frees its connection
    return this.orElse(ended, () => this.passOn(response), drop);
  }

  /** A fallback's response, or else the primary's own result. */
  private async orElse(ended: Ended, own: () => Response, drop: () => void = nothing): Promise<Response> {
    const { call } = this;
    const giveOwn = () => {
      call.gaveOwn(ended.outcome, ended.received.code);
      return own();
    };
    const cause = causeOfEnd(call, ended);
    return cause === undefined ? giveOwn() : this.askChain(cause, giveOwn, drop);
  }

  private async askChain(
    cause: Cause,
    own: (result: FallbackResult) => Response,
    drop: () => void = nothing,
  ): Promise<Response> {
    const replaced = await askChain(this.call, cause, this.signal, (answer) => this.fallback(answer));
    if (replaced.by === 'nothing') return own(replaced.result);
    drop();
    if (replaced.by === 'caller') throw this.signal.callersReason;
    this.release();
    return replaced.made;
  }

  private fallback(answer: CallAnswer<unknown>): Response {
    const response = fallbackResponse(answer, this.asked.url.href);
    const { response: _message, label: _label, ...provenance } = answer;
    remember(this.settings.memory, response, provenance);
    return response;
  }

  /** Gives the caller the server's own bad response, whose body it may read. */
  private passOn(response: Response): Response {
    const { body } = response;
    const release = () => this.release();
    if (body === null || body.locked) {
      release();
      return response;
    }
    const watched = watchedBody(body.getReader(), this.call.clock, NO_LIMITS, {
      onChunk: nothing,
      onEnd: release,
      onError: release,
      onCancel: release,
      onStalled: nothing,
      onIdle: nothing,
    });
    return this.withUpstream(withBody(response, watched));
  }

  // ---------------------------------------------------------------- a good response

  private async good(response: Response, waitedMs: number): Promise<Response> {
    const { call } = this;
    const { body, headers } = response;
    const isEvents = /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');
    // the server has answered with a whole document in place of events
    if (!isEvents) this.signal.awaitNoEvent();
    if (body === null || body.locked || response.status < 200) {
      new GoodBody(this, response, isEvents, waitedMs).onEnd();
      return this.withUpstream(response);
    }
    const reader = body.getReader();
    const first = isEvents ? await this.firstEvent(reader) : undefined;
    if (first !== undefined && 'error' in first) return this.failed(first.error);
    // from here on without a deadline: a stream of events may run for hours
    if (isEvents) this.signal.stopTimers();
    else this.signal.limitTo(call.deadlineMs);
    const limits = {
      stallMs: isEvents ? call.limits.stallTimeoutMs : Number.POSITIVE_INFINITY,
      idleMs: call.limits.abandonedAfterMs,
      readAhead: isEvents ? 0 : 2,
      length: lengthOf(headers),
    };
    const watch = new GoodBody(this, response, isEvents, isEvents ? call.elapsedMs : waitedMs);
    const watched = watchedBody(reader, call.clock, limits, watch, first?.chunk);
    return this.withUpstream(withBody(response, watched));
  }

  /** Waits for the first event: until then a fallback may still answer. */
  private async firstEvent(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<{ readonly chunk: Uint8Array | undefined } | { readonly error: unknown }> {
    if (!this.asked.wantsEvents) this.signal.limitFirstEvent(this.call.limits.firstMessageTimeoutMs);
    try {
      const { value } = await reader.read();
      return { chunk: value };
    } catch (error) {
      return { error };
    }
  }

  /** Remembers the label that a gateway behind the server may have put on its answer. */
  private withUpstream(response: Response): Response {
    if (response.headers.has('failsoft-source')) {
      const headers = metadataOf(response.headers);
      remember(this.settings.memory, response, provenanceOf(headers));
    }
    return response;
  }
}

function nothing(): void {}

/**
 * Whether fetch refused its arguments, so that the request never left the process. The message of network errors is
 * `fetch failed`.
 */
function isRefused(error: unknown): boolean {
  return error instanceof TypeError && error.message !== 'fetch failed' && error.cause === undefined;
}
