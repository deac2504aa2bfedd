import { status } from '@grpc/grpc-js';

/** The mapping of google.rpc.Code, for the HTTP statuses that it names. 529 is Anthropic's status of an overloaded model. */
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
  [502, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
  [504, status.DEADLINE_EXCEEDED],
  [529, status.RESOURCE_EXHAUSTED],
]);

/**
 * The gRPC code of an HTTP status, so that one table classifies both. Below 400 is OK; any other 4xx is FAILED_PRECONDITION
 * (the caller's mistake), any other 5xx is UNKNOWN (a failure).
 */
export function codeOfHttpStatus(httpStatus: number): status {
  if (httpStatus < 400) return status.OK;
  return CODES.get(httpStatus) ?? (httpStatus < 500 ? status.FAILED_PRECONDITION : status.UNKNOWN);
}
