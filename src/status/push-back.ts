import type { Metadata } from '@grpc/grpc-js';
import { readDetails, retryDelayMs } from './status-details.js';

export const PUSHBACK = 'grpc-retry-pushback-ms';
export const LARGEST_INT32 = 2 ** 31 - 1;

/**
 * A server's push-back: how long clients should send nothing, in milliseconds. It is `grpc-retry-pushback-ms` (gRFC A6, an
 * int32), or RetryInfo in `grpc-status-details-bin` (google.rpc), the longer of the two. Finite; 0 if the server sent
 * neither, or a value that does not parse or is negative.
 */
export function pushbackOf(trailers: Metadata): number {
  return Math.max(fromHeader(trailers.get(PUSHBACK)[0]), retryDelayMs(readDetails(trailers)));
}

function fromHeader(value: string | Buffer | undefined): number {
  if (typeof value !== 'string' || !/^\d{1,10}$/.test(value)) return 0;
  const ms = Number(value);
  return ms <= LARGEST_INT32 ? ms : 0;
}
