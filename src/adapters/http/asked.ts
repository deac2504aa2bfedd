import type { Metadata } from '@grpc/grpc-js';
import { metadataOf } from './headers.js';
import { LazyRequest, UNKNOWN_BODY } from './http-message.js';
import type { NameOf } from './route.js';

/** The parts of an HTTP request that the guard reads. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly request: LazyRequest;
  readonly metadata: Metadata;
  /** Whether the caller asked for server-sent events. */
  readonly wantsEvents: boolean;
}

/** @param headers with names in any case */
export function askedOf(method: string, url: URL, headers: Iterable<[string, string]>, body: unknown): Asked {
  const metadata = metadataOf(headers);
  const raw = rawBody(body);
  const accepts = metadata.get('accept').some((value) => value.includes('text/event-stream'));
  return {
    method,
    url,
    request: new LazyRequest(method, url.href, raw, String(metadata.get('content-type')[0] ?? '')),
    metadata,
    wantsEvents: accepts || (typeof raw === 'string' && /"stream"\s*:\s*true/.test(raw)),
  };
}

function rawBody(body: unknown): string | Uint8Array | typeof UNKNOWN_BODY | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return UNKNOWN_BODY;
}

/** The name of a request. If the user's function throws, the request gets the name of a request without a route. */
export function nameOfRequest(nameOf: NameOf, { method, url }: Asked) {
  try {
    return { name: nameOf(method, url), error: undefined };
  } catch (thrown) {
    return { name: `${method} ${url.origin}`.replaceAll('#', '%23'), error: { thrown } };
  }
}
