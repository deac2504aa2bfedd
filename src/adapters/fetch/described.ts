import type { Metadata } from '@grpc/grpc-js';
import { metadataOf } from './headers.js';
import { LazyRequest, UNKNOWN_BODY } from './http-message.js';

/** The parts of a fetch that the guard looks at. */
export interface Described {
  readonly method: string;
  readonly url: URL;
  readonly request: LazyRequest;
  readonly metadata: Metadata;
  readonly signal: AbortSignal | undefined;
  /** Whether the caller asked for server-sent events. */
  readonly wantsEvents: boolean;
}

/** Undefined for a call that fetch itself will refuse. */
export function describe(
  input: string | URL | Request,
  init: RequestInit | undefined,
  requestBody: Uint8Array | undefined,
): Described | undefined {
  try {
    const asked = typeof input === 'object' && 'url' in input ? input : undefined;
    const url = new URL(asked?.url ?? String(input));
    const method = (init?.method ?? asked?.method ?? 'GET').toUpperCase();
    const headers = new Headers(init?.headers ?? asked?.headers);
    const raw = requestBody ?? rawBody(init?.body ?? asked?.body);
    const contentType = headers.get('content-type') ?? '';
    // null takes the signal of a Request away
    const signal = init?.signal === undefined ? asked?.signal : (init.signal ?? undefined);
    if (signal !== undefined && typeof signal.addEventListener !== 'function') return undefined;
    const accepts = headers.get('accept')?.includes('text/event-stream') === true;
    return {
      method,
      url,
      request: new LazyRequest(method, url.href, raw, contentType),
      metadata: metadataOf(headers),
      signal,
      wantsEvents: accepts || (typeof raw === 'string' && /"stream"\s*:\s*true/.test(raw)),
    };
  } catch {
    return undefined;
  }
}

function rawBody(body: unknown): string | Uint8Array | typeof UNKNOWN_BODY | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return UNKNOWN_BODY;
}
