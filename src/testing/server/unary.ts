import { type handleUnaryCall, status } from '@grpc/grpc-js';
import { type ErrorStatus, withoutTrailers } from './error-status.js';

/** A handler that returns its answer, or throws a {@link StatusError}. */
export function unary<Request, Response>(
  answer: (request: Request) => Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    try {
      callback(null, answer(call.request));
    } catch (error) {
      callback(toStatus(error));
    }
  };
}

/** Thrown by handlers to answer with a status. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: ErrorStatus;

  constructor(status: ErrorStatus) {
    super(status.details);
    this.status = status;
  }
}

/** Any other error is a bug of the server, and becomes INTERNAL. */
export function toStatus(error: unknown): ErrorStatus {
  if (error instanceof StatusError) return error.status;
  return withoutTrailers({ code: status.INTERNAL, details: `mock server: ${String(error)}` });
}
