import { Metadata } from '@grpc/grpc-js';
import { addHeader } from '../header-metadata.js';

/** Headers as metadata of gRPC. */
export function toGrpc(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) addHeader(metadata, name, value, 'base64');
  return metadata;
}

/** Metadata of gRPC as headers. */
export function toHeaders(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const key of Object.keys(metadata.getMap()))
    for (const value of metadata.get(key))
      headers.append(key, typeof value === 'string' ? value : value.toString('base64'));
  return headers;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The time limit of a request in milliseconds, by `grpc-timeout` or `connect-timeout-ms`; undefined without a limit. */
export function timeoutOf(headers: Headers): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(headers.get('grpc-timeout') ?? '') ?? [];
  if (digits !== undefined) return Number(digits) * (UNITS_MS[unit] ?? 1);
  const ms = headers.get('connect-timeout-ms') ?? '';
  return /^\d{1,10}$/.test(ms) ? Number(ms) : undefined;
}

/** A copy of headers with another time limit, in milliseconds, in the header of the request's protocol. */
export function withTimeout(headers: Headers, timeoutMs: number): Headers {
  const copy = new Headers(headers);
  const ms = Math.max(1, Math.ceil(timeoutMs));
  if (!headers.get('content-type')?.startsWith('application/grpc'))
    copy.set('connect-timeout-ms', String(ms));
  else
    copy.set('grpc-timeout', ms <= 99_999_999 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`);
  return copy;
}
