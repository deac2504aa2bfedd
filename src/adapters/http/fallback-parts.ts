import type { CallAnswer } from '../../call/neutral/call-types.js';
import { invalid } from '../../errors.js';
import { labelHeaders } from './headers.js';
import { type HttpAnswer, partsOf } from './http-message.js';

/** The parts of the response for a fallback's answer, with the label in the headers. */
export interface FallbackParts {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an answer that is no object */
export function fallbackParts({ response, label }: CallAnswer<unknown>): FallbackParts {
  if (typeof response !== 'object' || response === null)
    throw invalid('the answer of a fallback', 'an object with a body', response);
  const { status, headers, body } = partsOf(response as HttpAnswer); // it comes from the route's decoder
  return { status, headers: { ...headers, ...labelHeaders(label) }, body };
}
