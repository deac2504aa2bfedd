import type { Metadata } from '@grpc/grpc-js';
import { RetryInfo } from '../gen/google/rpc/error_details.js';
import { Status } from '../gen/google/rpc/status.js';

const PUSHBACK = 'grpc-retry-pushback-ms';
const DETAILS = 'grpc-status-details-bin';
export const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/**
 * How long a server asks to be left alone, in milliseconds: `grpc-retry-pushback-ms` (gRFC A6), or RetryInfo in
 * `grpc-status-details-bin` (google.rpc), the longer of the two. 0 where it asks for nothing, also where what it sent does
 * not parse or is negative.
 */
export function pushbackOf(trailers: Metadata): number {
  return Math.max(fromHeader(trailers.get(PUSHBACK)[0]), fromDetails(trailers.get(DETAILS)[0]));
}

function fromHeader(value: string | Buffer | undefined): number {
  return typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : 0;
}

function fromDetails(value: string | Buffer | undefined): number {
  if (!(value instanceof Buffer)) return 0;
  try {
    const info = Status.decode(value).details.find((detail) => detail.typeUrl === RETRY_INFO);
    const delay = info && RetryInfo.decode(info.value).retryDelay;
    return delay ? Math.max(0, Number(delay.seconds) * 1_000 + delay.nanos / 1e6) : 0;
  } catch {
    return 0; // bytes of a server that are no status: by rule, no push-back
  }
}
