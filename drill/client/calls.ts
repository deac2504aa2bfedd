import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from 'failsoft/protos/oip';

/** The settings of a call. */
export interface CallSetting {
  readonly metadata: Metadata;
  /** Milliseconds since the epoch by the wall clock, as grpc-js takes it. */
  readonly deadline: number;
  /** Aborts when the caller leaves. */
  readonly signal?: AbortSignal;
}

/** A unary call as a promise. */
export function infer(
  client: GRPCInferenceServiceClient,
  request: ModelInferRequest,
  { metadata, deadline, signal }: CallSetting,
): Promise<ModelInferResponse> {
  return new Promise((resolve, reject) => {
    const call = client.modelInfer(request, metadata, { deadline }, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
    signal?.addEventListener('abort', () => call.cancel(), { once: true });
  });
}

/** A stream with one request as a promise of all its messages. */
export function inferStream(
  client: GRPCInferenceServiceClient,
  request: ModelInferRequest,
  { metadata, deadline, signal }: CallSetting,
): Promise<ModelStreamInferResponse[]> {
  return new Promise((resolve, reject) => {
    const messages: ModelStreamInferResponse[] = [];
    const call = client.modelStreamInfer(metadata, { deadline });
    call.on('data', (message: ModelStreamInferResponse) => messages.push(message));
    call.on('error', reject);
    call.on('end', () => resolve(messages));
    call.write(request);
    call.end();
    signal?.addEventListener('abort', () => call.cancel(), { once: true });
  });
}

/** The gRPC code of an error; UNKNOWN for an error without a code. */
export function codeOf(error: unknown): number {
  return isServiceError(error) ? error.code : status.UNKNOWN;
}

/** Statuses for which the caller is responsible, and not the server. */
const CALLERS_FAULTS: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.ABORTED,
]);

/** The filter that a careful user gives a general breaker, so that bad requests do not count as failures. */
export function isServersFault(error: unknown): boolean {
  return !CALLERS_FAULTS.has(codeOf(error));
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}
