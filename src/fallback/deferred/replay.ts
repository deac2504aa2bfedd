import { type Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { DEFAULT_TABLE } from '../../classify/classifier.js';
import { FailsoftError, isFailsoftError } from '../../errors.js';
import { circuitRejectionOf } from '../../status/rejection.js';
import { cut } from '../../text.js';
import { isRounded } from '../request-key/canonical.js';
import type { Method } from '../strategy.js';
import type { DeferredJob } from './queue.js';

/** Metadata key of every replay; its value is the job's id, the same each time. A server that remembers the id predicts once. */
export const IDEMPOTENCY_KEY = 'failsoft-idempotency-key';

/** The longest reason that is kept with a dead job, in UTF-16 units. */
const LONGEST_REASON = 500;

/** A job with the model's answer. */
export interface DeferredResult {
  /** The job that was replayed. */
  readonly job: DeferredJob;
  /** Its request, decoded. */
  readonly request: unknown;
  /** The model's answer, decoded. */
  readonly response: unknown;
}

/** Calls the model for a job. The call takes no fallback: an answer must be the model's own. */
export function replay(
  client: Client,
  method: Method<unknown, unknown>,
  job: DeferredJob,
  timeoutMs: number,
): Promise<DeferredResult> {
  return new Promise((resolve, reject) => {
    const { request, bytes, metadata } = readJob(method, job);
    const rounded = isRounded(method, request, bytes); // then the model gets the bytes that the caller sent
    const options = { deadline: Date.now() + timeoutMs, failsoft: { fallback: false } };
    client.makeUnaryRequest(
      method.path,
      (value: unknown) => (rounded ? bytes : method.requestSerialize(value)),
      (bytes) => method.responseDeserialize(bytes),
      request,
      metadata,
      options,
      (error, response) => (error === null ? resolve({ job, request, response }) : reject(error)),
    );
  });
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for a job that cannot be read */
function readJob(method: Method<unknown, unknown>, job: DeferredJob) {
  try {
    const bytes = Buffer.from(job.request, 'base64');
    const request = method.requestDeserialize(bytes);
    const metadata = new Metadata();
    for (const [key, value] of job.metadata)
      metadata.add(key, key.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
    metadata.set(IDEMPOTENCY_KEY, job.id);
    return { request, bytes, metadata };
  } catch (error) {
    throw new FailsoftError('FAILSOFT_INVALID_ARGUMENT', `unreadable: ${textOf(error)}`, { cause: error });
  }
}

/** Whether a replay failed because of the request itself, so that another replay would fail too. */
export function isHopeless(error: unknown): boolean {
  if (isFailsoftError(error)) return true; // the job cannot be read
  return (
    isServiceError(error) && DEFAULT_TABLE[error.code] === 'caller-error' && error.code !== status.ABORTED
  );
}

/** Whether the model was tried: neither a closed client nor a circuit or limit of this process has stopped the replay. */
export function wasTried(error: unknown): boolean {
  return isServiceError(error) && !isRejected(error);
}

/** Whether a circuit or a limit of this process rejected the replay, so that the model was not tried. */
export function isRejected(error: unknown): boolean {
  return circuitRejectionOf(error) !== undefined;
}

export function textOf(error: unknown): string {
  const text = isServiceError(error)
    ? `${status[error.code]}: ${error.details}`
    : error instanceof Error
      ? error.message
      : String(error);
  return cut(text, LONGEST_REASON);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
