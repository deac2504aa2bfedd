import { Metadata } from '@grpc/grpc-js';
import { RetryInfo } from '../../gen/google/rpc/error_details.js';
import { Status } from '../../gen/google/rpc/status.js';
import type { ErrorFault } from '../faults/plan.js';
import type { StatusAnswer } from './presets.js';

const RETRY_INFO_URL = 'type.googleapis.com/google.rpc.RetryInfo';

/** A status with its trailers. */
export interface ErrorStatus extends StatusAnswer {
  readonly metadata: Metadata;
}

/** The status of an error fault. */
export function errorStatus(error: ErrorFault): ErrorStatus {
  const details = error.details ?? 'injected fault';
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(error.trailers ?? {})) metadata.set(name, value);
  if (error.pushbackMs !== undefined) metadata.set('grpc-retry-pushback-ms', `${error.pushbackMs}`);
  if (error.retryDelayMs !== undefined)
    metadata.set('grpc-status-details-bin', retryInfoStatus(error.code, details, error.retryDelayMs));
  return { code: error.code, details, metadata };
}

export function withoutTrailers(answer: StatusAnswer): ErrorStatus {
  return { ...answer, metadata: new Metadata() };
}

function retryInfoStatus(code: number, message: string, delayMs: number): Buffer {
  const seconds = Math.floor(delayMs / 1000);
  // A Duration has less than a second of nanoseconds.
  const nanos = Math.min(999_999_999, Math.round((delayMs - seconds * 1000) * 1e6));
  const retryInfo = RetryInfo.encode({ retryDelay: { seconds: BigInt(seconds), nanos } }).finish();
  const status = { code, message, details: [{ typeUrl: RETRY_INFO_URL, value: retryInfo }] };
  return Buffer.from(Status.encode(status).finish());
}
