import type { OpenCall } from '../../call/neutral/open-call.js';
import type { Outcome } from '../../classify/outcome.js';
import type { ProvenanceMemory } from '../../status/provenance.js';
import type { EndedBy } from '../http/early-end.js';
import { type BodyOwner, GoodBody } from '../http/good-body.js';
import { isEventStream } from '../http/headers.js';
import { checkOutcome, isBad } from '../http/judge.js';
import { BadEnd } from './bad-end.js';
import type { Described } from './described.js';
import { FetchSignal } from './fetch-signal.js';
import { lengthOf, rememberUpstream, withBody } from './response.js';
import { watchedBody } from './watched-body.js';

/** Returns the outcome of a response, or undefined where the status is to decide. */
export type ClassifyResponse = (response: Response) => Outcome | undefined | PromiseLike<Outcome | undefined>;

export interface FetchSettings {
  readonly classifyResponse: ClassifyResponse | undefined;
  readonly memory: ProvenanceMemory;
}

/** One fetch under a guard. */
export class FetchCall implements BodyOwner {
  readonly call: OpenCall;
  readonly sendsAsGiven: boolean;
  judged: Outcome | undefined;
  private readonly asked: Described;
  private readonly settings: FetchSettings;
  private readonly signal: FetchSignal;

  constructor(call: OpenCall, asked: Described, settings: FetchSettings, sendsAsGiven: boolean) {
    this.call = call;
    this.sendsAsGiven = sendsAsGiven;
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
    if (call.rejection !== undefined) return this.badEnd().rejected();
    this.signal.limits.limitTo(call.primaryDeadlineMs);
    if (asked.wantsEvents) this.signal.limits.limitFirstEvent(call.limits.firstMessageTimeoutMs);
    let response: Response;
    try {
      response = await fetchWith(this.signal.signal);
    } catch (error) {
      return this.badEnd().failed(error);
    }
    const waitedMs = call.elapsedMs;
    this.judged = await this.judge(response);
    if (this.endedBy !== undefined) return this.endedEarly(response);
    if (isBad(response.status, this.judged)) return this.badEnd().bad(response, this.judged, waitedMs);
    return this.good(response, waitedMs);
  }

  private async judge(response: Response): Promise<Outcome | undefined> {
    const { classifyResponse } = this.settings;
    if (classifyResponse === undefined) return undefined;
    try {
      // the function may wait for a body that never comes
      const outcome = await Promise.race([classifyResponse(response), this.signal.aborted]);
      return checkOutcome('classifyResponse', outcome);
    } catch (error) {
      if (this.endedBy === undefined) this.call.report(error, 'classifyResponse');
      return undefined;
    }
  }

  /** Ends a call whose caller went, or whose time was over, while `classifyResponse` ran. */
  private endedEarly(response: Response): Promise<Response> {
    response.body?.cancel().catch(nothing);
    return this.badEnd().failed(this.signal.signal.reason);
  }

  // ---------------------------------------------------------------- a good response

  private async good(response: Response, waitedMs: number): Promise<Response> {
    const { call } = this;
    const { memory } = this.settings;
    const { body, headers } = response;
    const isEvents = isEventStream(headers);
    // the server has answered with a whole document in place of events
    if (!isEvents) this.signal.limits.awaitNoEvent();
    if (body === null || body.locked || response.status < 200) {
      new GoodBody(this, response, isEvents, waitedMs).onEnd();
      return rememberUpstream(memory, response);
    }
    const reader = body.getReader();
    const first = isEvents ? await this.firstEvent(reader) : undefined;
    if (first !== undefined && 'error' in first) return this.badEnd().failed(first.error);
    // from here on without a deadline: a stream of events may run for hours
    if (isEvents) this.signal.limits.stop();
    else this.signal.limits.limitTo(call.deadlineMs);
    const limits = {
      stallMs: isEvents ? call.limits.stallTimeoutMs : Number.POSITIVE_INFINITY,
      idleMs: call.limits.abandonedAfterMs,
      readAhead: isEvents ? 0 : 2,
      length: lengthOf(headers),
    };
    const watch = new GoodBody(this, response, isEvents, isEvents ? call.elapsedMs : waitedMs);
    const watched = watchedBody(reader, call.clock, limits, watch, first?.chunk);
    return rememberUpstream(memory, withBody(response, watched));
  }

  /** Waits for the first event: until then a fallback may still answer. */
  private async firstEvent(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<{ readonly chunk: Uint8Array | undefined } | { readonly error: unknown }> {
    if (!this.asked.wantsEvents) this.signal.limits.limitFirstEvent(this.call.limits.firstMessageTimeoutMs);
    try {
      const { value } = await reader.read();
      return { chunk: value };
    } catch (error) {
      return { error };
    }
  }

  private badEnd(): BadEnd {
    return new BadEnd(this.call, this.asked, this.signal, this.settings.memory);
  }
}

function nothing(): void {}
