import { type handleUnaryCall, Metadata, status } from '@grpc/grpc-js';
import { type ErrorStatus, withoutTrailers } from './error-status.js';

/** Makes a handler of a function that returns its answer, or throws a {@link StatusError}. */
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

/** The status of an error that user code threw: its own, if it has one. */
export function thrownStatus(model: string, error: unknown): ErrorStatus {
  if (error instanceof StatusError) return error.status;
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  const text = error instanceof Error ? error.message : String(error);
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1 || code > 16)
    return withoutTrailers({ code: status.INTERNAL, details: `${model}: ${text}` });
  const { details, metadata } = Object.assign({ details: undefined, metadata: undefined }, error);
  return {
    code,
    details: typeof details === 'string' ? details : text,
    metadata: isMetadata(metadata) ? metadata : new Metadata(),
  };
}

function isMetadata(value: unknown): value is Metadata {
  return value instanceof Metadata;
}

/** Any other error is a bug of the server, and becomes INTERNAL. */
export function toStatus(error: unknown): ErrorStatus {
  if (error instanceof StatusError) return error.status;
  return withoutTrailers({ code: status.INTERNAL, details: `mock server: ${String(error)}` });
}
