import { type StatusObject, status } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import { FailsoftError } from '../../errors.js';

/**
 * The error of a rejected request: a FailsoftError FAILSOFT_REJECTED with the {@link Rejection} as cause, or a TimeoutError where the
 * deadline passed. It has the metadata of the rejection, so that `circuitRejectionOf(error)` reads it as it reads a gRPC error.
 */
export function rejectedError(rejection: Rejection | undefined, given: StatusObject): Error {
  if (given.code === status.DEADLINE_EXCEEDED) return new DOMException(given.details, 'TimeoutError');
  const error = new FailsoftError('FAILSOFT_REJECTED', given.details, { cause: rejection });
  return Object.assign(error, { metadata: given.metadata });
}
