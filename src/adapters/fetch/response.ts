import type { CallAnswer } from '../../call/neutral/call-types.js';
import { type Provenance, type ProvenanceMemory, provenanceOf } from '../../status/provenance.js';
import { fallbackParts } from '../http/fallback-parts.js';
import { metadataOf } from '../http/headers.js';

/** A response with another body. It has the URL of the given response, as callers expect. */
export function withBody(response: Response, body: ReadableStream<Uint8Array>): Response {
  const { status, statusText, headers, url, redirected, type, ok } = response;
  const facts = { url, redirected, type };
  const made = responseOf(body, { status, statusText, headers });
  if (made !== undefined) return dressed(made, facts);
  // servers send statuses and reasons that a constructor refuses: 999, or a reason in UTF-8
  const similar = responseOf(body, { status, headers }) ?? new Response(body, { headers });
  return dressed(similar, { ...facts, status, statusText, ok });
}

function responseOf(body: ReadableStream<Uint8Array>, init: ResponseInit): Response | undefined {
  try {
    return new Response(body, init);
  } catch {
    return undefined;
  }
}

/** @throws the error of `Response` for a status or a header that it refuses */
export function fallbackResponse(answer: CallAnswer<unknown>, url: string): Response {
  const { status, headers, body } = fallbackParts(answer);
  const init = { status, headers };
  return dressed(new Response(body === undefined ? null : Uint8Array.from(body), init), { url });
}

/** Sets facts that no constructor sets, also on clones. */
function dressed(response: Response, facts: object): Response {
  for (const [name, value] of Object.entries(facts)) define(response, name, value);
  define(response, 'clone', () => dressed(Response.prototype.clone.call(response), facts));
  return response;
}

/** Remembers where a response came from, also for its clones. */
export function remember(memory: ProvenanceMemory, response: Response, provenance: Provenance): void {
  memory.set(response, provenance);
  const { clone } = response;
  define(response, 'clone', () => {
    const copy = clone.call(response);
    remember(memory, copy, provenance);
    return copy;
  });
}

/** Remembers the label that a gateway behind the server may have put on its answer. */
export function rememberUpstream(memory: ProvenanceMemory, response: Response): Response {
  const { headers } = response;
  if (headers.has('failsoft-source')) remember(memory, response, provenanceOf(metadataOf(headers)));
  return response;
}

function define(response: Response, name: string, value: unknown): void {
  Object.defineProperty(response, name, { value, configurable: true });
}

/** The length of a body in bytes, by its headers; Infinity where they do not give it, or where fetch decodes the body. */
export function lengthOf(headers: Headers): number {
  const length = headers.get('content-length') ?? '';
  const isDecoded = headers.has('content-encoding');
  return /^\d{1,15}$/.test(length) && !isDecoded ? Number(length) : Number.POSITIVE_INFINITY;
}
