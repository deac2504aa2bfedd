import type { GoodBody } from '../http/good-body.js';
import type { UndiciHeaders } from './headers.js';

/** A head that the caller does not have yet. */
export interface HeldHead {
  readonly status: number;
  readonly headers: UndiciHeaders;
  readonly statusText: string | undefined;
}

/** A bad response stands still while the chain is asked. Some dispatchers do not stand still, such as a MockAgent: nothing is lost. */
export interface HeldResponse {
  readonly is: 'held';
  readonly chunks: Buffer[];
  end?: { readonly trailers: UndiciHeaders } | { readonly error: unknown };
}

/** What the real request is doing, and what its next event means. */
export type Stage =
  | { readonly is: 'waiting' }
  /** Of server-sent events a fallback may replace everything until the first one. */
  | { readonly is: 'before-first-event'; readonly head: HeldHead }
  /** The caller gets the body. `body` is undefined for a bad response, which is counted already. */
  | { readonly is: 'passing'; readonly body: GoodBody | undefined }
  | HeldResponse
  /** The real request is over, or was not made, and the chain is asked. */
  | { readonly is: 'asking' }
  /** A bad response that nobody gets is read to its end, so that its connection is free again. */
  | { readonly is: 'draining'; leftBytes: number }
  /** The caller has its end, or a fallback's answer. */
  | { readonly is: 'over' };

export const ASKING: Stage = { is: 'asking' };
export const OVER: Stage = { is: 'over' };
/** A longer bad response is not worth its connection; in bytes. */
export const MOST_DRAINED = 65_536;
