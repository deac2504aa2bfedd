import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { pushbackOf } from '../../src/status/push-back.js';
import { encodeDetails, LONGEST_MS } from '../../src/status/status-details.js';

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

function details(seconds: bigint, nanos: number, typeUrl = RETRY_INFO): Buffer {
  const value = Buffer.from(RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish());
  return encodeDetails({ code: 14, message: '', details: [{ typeUrl, value }] });
}

const garbage = Buffer.from([255, 255, 255]);

describe('push-back', () => {
  it.each<[string, string | undefined, Buffer | undefined, number]>([
    ['none', undefined, undefined, 0],
    ['the header', '1500', undefined, 1_500],
    ['the longest header', '2147483647', undefined, 2_147_483_647],
    ['a header that is no int32', '2147483648', undefined, 0],
    ['a negative header', '-1', undefined, 0],
    ['a header that does not parse', 'soon', undefined, 0],
    ['an empty header', '', undefined, 0],
    ['a fraction', '1.5', undefined, 0],
    ['RetryInfo', undefined, details(2n, 500_000_000), 2_500],
    [
      'RetryInfo under another type server',
      undefined,
      details(2n, 0, 'types.test/google.rpc.RetryInfo'),
      2_000,
    ],
    ['a detail whose name only ends like it', undefined, details(2n, 0, 'x/my.google.rpc.RetryInfo'), 0],
    ['a negative RetryInfo', undefined, details(-2n, 0), 0],
    ['nanoseconds below zero', undefined, details(0n, -1), 0],
    ['the largest int64 of seconds', undefined, details(2n ** 63n - 1n, 2 ** 31 - 1), LONGEST_MS],
    ['the smallest int64 of seconds', undefined, details(-(2n ** 63n), -(2 ** 31)), 0],
    ['bytes that are no status', undefined, garbage, 0],
    [
      'a RetryInfo that is none',
      undefined,
      encodeDetails({ code: 14, message: '', details: [{ typeUrl: RETRY_INFO, value: garbage }] }),
      0,
    ],
    ['both: the longer', '3000', details(2n, 0), 3_000],
    ['one that does not parse, one that does', 'soon', details(2n, 0), 2_000],
  ])('%s', (_what, header, bytes, expected) => {
    const trailers = new Metadata();
    if (header !== undefined) trailers.set('grpc-retry-pushback-ms', header);
    if (bytes !== undefined) trailers.set('grpc-status-details-bin', bytes);
    expect(pushbackOf(trailers)).toBe(expected);
  });
});
