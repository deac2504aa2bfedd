import type { GoodBody } from '../http/good-body.js';
import type { UndiciHeaders } from './headers.js';

/** The head of a response that the caller has not got yet. */
export interface HeldHead {
  readonly status: number;
  readonly headers: UndiciHeaders;
  readonly statusText: string | undefined;
}

/** A bad response that is paused while the chain is asked. It collects the events of dispatchers that cannot pause (MockAgent). */
export interface HeldResponse {
  readonly is: 'held';
  readonly chunks: Buffer[];
  end?: { readonly trailers: UndiciHeaders } | { readonly error: unknown };
}

/** The stage of the real request, which decides what its next event does. */
export type Stage =
  | { readonly is: 'waiting' }
  /** The head of server-sent events is held back until the first event: until then a fallback may answer. */
  | { readonly is: 'before-first-event'; readonly head: HeldHead }
  /** The caller gets the body. `body` is undefined for a bad response, which is counted already. */
  | { readonly is: 'passing'; readonly body: GoodBody | undefined }
  | HeldResponse
  /** The real request is over, or was not made, and the chain is asked. */
  | { readonly is: 'asking' }
  /** A bad response that the caller does not get is read to its end, so that its connection can be used again. */
  | { readonly is: 'draining'; leftBytes: number }
  /** The caller has got the end of the request, or a fallback's answer. */
  | { readonly is: 'over' };

export const ASKING: Stage = { is: 'asking' };
export const OVER: Stage = { is: 'over' };
/** In bytes. A longer bad response is not read to its end: that would cost more than a new connection. */
export const MOST_DRAINED = 65_536;
