import type { Metadata } from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.js';
import { Status } from '../gen/google/rpc/status.js';

// The only codec of `grpc-status-details-bin`: a google.rpc.Status whose details are google.protobuf.Any messages.

const KEY = 'grpc-status-details-bin';
const RETRY_INFO = 'google.rpc.RetryInfo';
const ERROR_INFO = 'google.rpc.ErrorInfo';

/** Ten thousand years: the longest google.protobuf.Duration. */
export const LONGEST_MS = 315_576_000_000_000;

export type StatusDetail = Status['details'][number];

/** A number of milliseconds that is safe to wait for and to show: from 0 to {@link LONGEST_MS}; 0 for NaN. */
export function boundedMs(ms: number): number {
  return ms > 0 ? Math.min(ms, LONGEST_MS) : 0;
}

/** The status details of trailers: `none`, `unreadable` (bytes that are no google.rpc.Status), or the decoded status. */
export type StatusDetails = 'none' | 'unreadable' | Status;

export function readDetails(trailers: Pick<Metadata, 'get'>): StatusDetails {
  const bytes = trailers.get(KEY)[0];
  if (bytes === undefined) return 'none';
  try {
    return bytes instanceof Uint8Array ? Status.decode(bytes) : 'unreadable';
  } catch {
    return 'unreadable'; // a server may send any bytes
  }
}

export function encodeDetails(status: Status): Buffer {
  return Buffer.from(Status.encode(status).finish());
}

export function writeDetails(trailers: Metadata, bytes: Buffer): void {
  trailers.set(KEY, bytes);
}

/** A RetryInfo with this delay, bounded by {@link boundedMs}. */
export function retryInfo(ms: number): StatusDetail {
  const bounded = boundedMs(ms);
  const seconds = Math.floor(bounded / 1_000);
  const nanos = Math.min(999_999_999, Math.round((bounded - seconds * 1_000) * 1e6));
  const retryDelay = { seconds: BigInt(seconds), nanos };
  return any(RETRY_INFO, RetryInfo.encode({ retryDelay }).finish());
}

export function errorInfo(domain: string, reason: string, metadata: Map<string, string>): StatusDetail {
  return any(ERROR_INFO, ErrorInfo.encode({ domain, reason, metadata }).finish());
}

/** The delay of the first readable RetryInfo in milliseconds, bounded by {@link boundedMs}; 0 without such a RetryInfo. */
export function retryDelayMs(details: StatusDetails): number {
  if (typeof details === 'string') return 0;
  const [delay] = decoded(details, RETRY_INFO, (bytes) => RetryInfo.decode(bytes).retryDelay);
  return delay === undefined ? 0 : boundedMs(Number(delay.seconds) * 1_000 + delay.nanos / 1e6);
}

/** Every ErrorInfo that can be read, in order. */
export function errorInfos(details: StatusDetails): ErrorInfo[] {
  return decoded(details, ERROR_INFO, (bytes) => ErrorInfo.decode(bytes));
}

function any(typeName: string, value: Uint8Array): StatusDetail {
  return { typeUrl: `type.googleapis.com/${typeName}`, value: Buffer.from(value) };
}

function decoded<T>(
  details: StatusDetails,
  typeName: string,
  decode: (bytes: Uint8Array) => T | undefined,
): T[] {
  if (typeof details === 'string') return [];
  return details.details
    .filter(({ typeUrl }) => typeUrl.endsWith(`/${typeName}`))
    .map(({ value }) => {
      try {
        return decode(value);
      } catch {
        return undefined; // a server may send any bytes
      }
    })
    .filter((message) => message !== undefined);
}
