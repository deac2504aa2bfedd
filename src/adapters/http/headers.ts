import { Metadata } from '@grpc/grpc-js';
import { LARGEST_INT32, PUSHBACK } from '../../status/push-back.js';
import { addHeader } from '../header-metadata.js';

/** Headers other than `authorization` by which HTTP servers know their callers. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'api-key',
  'apikey',
  'cookie',
  'ocp-apim-subscription-key',
  'proxy-authorization',
  'x-access-token',
  'x-amz-security-token',
  'x-api-key',
  'x-auth-token',
  'x-functions-key',
  'x-goog-api-key',
]);

/**
 * Headers as metadata. Credentials in other headers are also added to `authorization`, so that `lastGood()` keeps callers apart by
 * default.
 */
export function metadataOf(headers: Iterable<[string, string]>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    addHeader(metadata, key, value, 'utf8');
    if (CREDENTIALS.has(key)) addHeader(metadata, 'authorization', `${key}: ${value}`, 'utf8');
  }
  return metadata;
}

/** A response's headers as the trailers of its status, with `Retry-After` as push-back. */
export function trailersOf(headers: Iterable<[string, string]>, epochMs: number): Metadata {
  const trailers = metadataOf(headers);
  const pushbackMs = retryAfterMs(trailers, epochMs);
  if (pushbackMs > 0) trailers.set(PUSHBACK, String(Math.min(LARGEST_INT32, Math.ceil(pushbackMs))));
  return trailers;
}

/** `Retry-After` in seconds or as a date (RFC 9110), and `retry-after-ms`, which some gateways send; 0 where neither parses. */
function retryAfterMs(headers: Metadata, epochMs: number): number {
  const ms = /^\d{1,10}(?:\.\d+)?$/.exec(text(headers, 'retry-after-ms'))?.[0];
  if (ms !== undefined) return Number(ms);
  const value = text(headers, 'retry-after');
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1000;
  const dateMs = /^[A-Z][a-z]{2,8}, /.test(value) ? Date.parse(value) : Number.NaN;
  return dateMs > epochMs ? dateMs - epochMs : 0;
}

function text(headers: Metadata, name: string): string {
  const value = headers.get(name)[0];
  return typeof value === 'string' ? value.trim() : '';
}

/** The label of a fallback's answer as headers. */
export function labelHeaders(label: Metadata | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(label?.getMap() ?? {}))
    headers[name] = typeof value === 'string' ? value : value.toString('base64');
  return headers;
}

/** Whether a response, by its headers, is a stream of server-sent events. */
export function isEventStream(headers: { get(name: string): string | null }): boolean {
  return /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');
}
