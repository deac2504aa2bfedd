import { status } from '@grpc/grpc-js';

/** As in google.rpc.Code, where it names an HTTP status; 529 is an overloaded model's (Anthropic). */
const CODES: ReadonlyMap<number, status> = new Map([
  [400, status.INVALID_ARGUMENT],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.NOT_FOUND],
  [408, status.DEADLINE_EXCEEDED],
  [409, status.ABORTED],
  [416, status.OUT_OF_RANGE],
  [429, status.RESOURCE_EXHAUSTED],
  [500, status.INTERNAL],
  [503, status.UNAVAILABLE],
  [502, status.UNAVAILABLE],
  [504, status.DEADLINE_EXCEEDED],
  [529, status.RESOURCE_EXHAUSTED],
]);

/**
 * The status code of an HTTP status, so that the same table classifies both: other 4xx are FAILED_PRECONDITION (the caller's),
 * other 5xx are UNKNOWN (a failure), below 400 is OK.
 */
export function codeOfHttpStatus(httpStatus: number): status {
  if (httpStatus < 400) return status.OK;
  return CODES.get(httpStatus) ?? (httpStatus < 500 ? status.FAILED_PRECONDITION : status.UNKNOWN);
}
