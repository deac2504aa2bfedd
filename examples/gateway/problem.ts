import { STATUS_CODES } from 'node:http';
import { status as code } from '@grpc/grpc-js';
import { circuitRejectionOf } from 'failsoft';

/** The body that is sent in place of a prediction, as `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** For a rejected call: the circuit's key, and the rejection's reason. */
  readonly circuitKey?: string;
  readonly reason?: string;
}

export interface ProblemAnswer {
  readonly problem: Problem;
  /** In whole seconds, for `Retry-After`; only for a rejected call. */
  readonly retryAfterS?: number;
}

/** The callers whose request was wrong get the server's details. All other details stay behind the gateway. */
const HTTP_STATUS: Readonly<Record<number, readonly [status: number, detail?: string]>> = {
  [code.INVALID_ARGUMENT]: [400],
  [code.FAILED_PRECONDITION]: [400],
  [code.OUT_OF_RANGE]: [400],
  [code.UNAUTHENTICATED]: [401],
  [code.PERMISSION_DENIED]: [403],
  [code.NOT_FOUND]: [404],
  [code.ALREADY_EXISTS]: [409],
  [code.ABORTED]: [409],
  [code.UNIMPLEMENTED]: [501],
  [code.RESOURCE_EXHAUSTED]: [503, 'The model has too much to do.'],
  [code.UNAVAILABLE]: [503, 'The model cannot be reached.'],
  [code.DEADLINE_EXCEEDED]: [504, 'The model did not answer in time.'],
};

/** The HTTP answer for an error of a request. */
export function problemOf(error: unknown): ProblemAnswer {
  const rejection = circuitRejectionOf(error);
  if (rejection) {
    const { circuitKey, reason, retryAfterMs } = rejection;
    const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    return {
      problem: {
        type: 'https://example.com/problems/circuit-rejection', // a page of yours that explains the problem
        title: 'The model takes no calls at the moment',
        status: 503,
        detail: `Try again in ${retryAfterS} s.`,
        circuitKey,
        reason,
      },
      retryAfterS,
    };
  }
  if (typeof error !== 'object' || error === null) return plain(500);
  if ('details' in error && 'code' in error && typeof error.code === 'number') {
    const [status, detail] = HTTP_STATUS[error.code] ?? [502, 'The model failed.'];
    return plain(status, detail ?? String(error.details));
  }
  // Fastify's own errors: the body is no JSON, or breaks the schema.
  if ('statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500)
    return plain(error.statusCode, 'message' in error ? String(error.message) : undefined);
  return plain(500);
}

function plain(status: number, detail = 'Something went wrong.'): ProblemAnswer {
  return { problem: { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail } };
}
