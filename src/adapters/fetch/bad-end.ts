import type { CallAnswer } from '../../call/neutral/call-types.js';
import type { FallbackResult, OpenCall } from '../../call/neutral/open-call.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Cause } from '../../fallback/strategy.js';
import type { ProvenanceMemory } from '../../status/provenance.js';
import { leave } from '../http/early-end.js';
import { isEventStream } from '../http/headers.js';
import { rejectedError } from '../http/rejected-error.js';
import { askChain, concludeBad, concludeError, type Ended } from '../http/without-good-response.js';
import type { Described } from './described.js';
import type { FetchSignal } from './fetch-signal.js';
import { fallbackResponse, remember, rememberUpstream, withBody } from './response.js';
import { watchedBody } from './watched-body.js';

const NO_LIMITS = {
  stallMs: Number.POSITIVE_INFINITY,
  idleMs: Number.POSITIVE_INFINITY,
  readAhead: 2,
  length: Number.POSITIVE_INFINITY,
};

/** The end of a fetch that has no good response: a fallback's response, or else the bad response, or the error. */
export class BadEnd {
  private readonly call: OpenCall;
  private readonly asked: Described;
  private readonly signal: FetchSignal;
  private readonly memory: ProvenanceMemory;

  constructor(call: OpenCall, asked: Described, signal: FetchSignal, memory: ProvenanceMemory) {
    this.call = call;
    this.asked = asked;
    this.signal = signal;
    this.memory = memory;
  }

  // ---------------------------------------------------------------- how it began: one of these is called, once

  rejected(): Promise<Response> {
    const { call } = this;
    return this.askChain(call.rejectedCause(), (result) => {
      throw rejectedError(call.rejection, call.rejectedStatus(result));
    });
  }

  /** The real fetch has failed before its response, or before its first event. */
  async failed(error: unknown): Promise<Response> {
    const { call, signal } = this;
    const { endedBy } = signal;
    signal.limits.stop();
    if (endedBy === 'caller') {
      leave(call);
      throw signal.callersReason;
    }
    const ended = concludeError(call, error, endedBy, isRefused(error));
    return this.orElse(ended, () => {
      if (endedBy === 'time') throw signal.callersReason;
      throw endedBy === 'limit' ? signal.signal.reason : error;
    });
  }

  /**
   * @param judged the outcome that the user's function gave
   * @param waitedMs how long the caller has waited for the response, in milliseconds
   */
  bad(response: Response, judged: Outcome | undefined, waitedMs: number): Promise<Response> {
    const ended = concludeBad(this.call, response, judged, waitedMs);
    this.signal.limits.stop();
    const drop = () => void response.body?.cancel().catch(nothing); // frees its connection
    return this.orElse(ended, () => this.passOn(response), drop);
  }

  // ---------------------------------------------------------------- what the caller gets

  /** A fallback's response, or else the real fetch's own result. */
  private async orElse(ended: Ended, own: () => Response, drop: () => void = nothing): Promise<Response> {
    const { cause } = ended;
    const giveOwn = () => {
      ended.gaveOwn();
      return own();
    };
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
    this.signal.release();
    return replaced.made;
  }

  private fallback(answer: CallAnswer<unknown>): Response {
    const response = fallbackResponse(answer, this.asked.url.href);
    const { response: _message, label: _label, ...provenance } = answer;
    remember(this.memory, response, provenance);
    return response;
  }

  /** Gives the caller the server's own bad response, whose body it may read. */
  private passOn(response: Response): Response {
    const { body, headers } = response;
    const release = () => this.signal.release();
    if (body === null || body.locked) {
      release();
      return response;
    }
    if (!isEventStream(headers)) this.signal.limits.limitTo(this.call.deadlineMs);
    const watched = watchedBody(body.getReader(), this.call.clock, NO_LIMITS, {
      onChunk: nothing,
      onEnd: release,
      onError: release,
      onCancel: release,
      onStalled: nothing,
      onIdle: nothing,
    });
    return rememberUpstream(this.memory, withBody(response, watched));
  }
}

/**
 * Whether fetch refused its arguments, so that the request never left the process. The message of network errors is
 * `fetch failed`.
 */
function isRefused(error: unknown): boolean {
  return error instanceof TypeError && error.message !== 'fetch failed' && error.cause === undefined;
}

function nothing(): void {}
