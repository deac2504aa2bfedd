import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { pushbackOf, RETRY_INFO } from '../../src/classify/push-back.js';
import { RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';

function details(seconds: bigint, nanos: number): Buffer {
  const value = Buffer.from(RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish());
  return Buffer.from(
    Status.encode({ code: 14, message: '', details: [{ typeUrl: RETRY_INFO, value }] }).finish(),
  );
}

describe('push-back', () => {
  it.each<[string, string | undefined, Buffer | undefined, number]>([
    ['none', undefined, undefined, 0],
    ['the header', '1500', undefined, 1_500],
    ['a negative header', '-1', undefined, 0],
    ['a header that does not parse', 'soon', undefined, 0],
    ['an empty header', '', undefined, 0],
    ['a fraction', '1.5', undefined, 0],
    ['RetryInfo', undefined, details(2n, 500_000_000), 2_500],
    ['a negative RetryInfo', undefined, details(-2n, 0), 0],
    ['bytes that are no status', undefined, Buffer.from([255, 255, 255]), 0],
    ['both: the longer', '3000', details(2n, 0), 3_000],
    ['one that does not parse, one that does', 'soon', details(2n, 0), 2_000],
  ])('%s', (_what, header, bytes, expected) => {
    const trailers = new Metadata();
    if (header !== undefined) trailers.set('grpc-retry-pushback-ms', header);
    if (bytes !== undefined) trailers.set('grpc-status-details-bin', bytes);
    expect(pushbackOf(trailers)).toBe(expected);
  });
});
