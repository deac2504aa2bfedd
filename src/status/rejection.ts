import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { REJECTION_REASONS, type Rejection, type RejectionReason } from '../circuit/types.js';
import { RETRY_INFO } from '../classify/push-back.js';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.js';
import { Status } from '../gen/google/rpc/status.js';

const DETAILS = 'grpc-status-details-bin';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const DOMAIN = 'failsoft';

/** How each reason reads in a status's details. */
const TEXT: Readonly<Record<RejectionReason, string>> = {
  CIRCUIT_OPEN: 'circuit open',
  HALF_OPEN: 'circuit half-open, its probe is under way',
  RECOVERING: 'circuit recovering, not yet open to every call',
  ISOLATED: 'circuit isolated by hand',
  CONCURRENCY_LIMIT: 'concurrency limit reached',
  THROTTLED: 'throttled: too few calls succeed',
};

/** What a caller can read from the error of a call that a circuit did not admit. */
export interface CircuitRejection {
  /** The circuit's key. */
  readonly circuit: string;
  readonly reason: RejectionReason;
  /** After how many milliseconds it may be worth trying again; 0 where nobody can tell. */
  readonly retryAfterMs: number;
  /** What each fallback said, where there were any. */
  readonly fallback: string | undefined;
}

/**
 * The status of a call that was not admitted and not answered otherwise: UNAVAILABLE, or RESOURCE_EXHAUSTED for a
 * concurrency limit, with RetryInfo and ErrorInfo in `grpc-status-details-bin`.
 */
export function rejectionStatus(circuit: string, rejection: Rejection, fallback?: string): StatusObject {
  const { reason } = rejection;
  const code = reason === 'CONCURRENCY_LIMIT' ? status.RESOURCE_EXHAUSTED : status.UNAVAILABLE;
  // To the next hundredth of a second: precise enough for a retry, and few enough values to keep the encoded bytes.
  const retryAfterMs = Math.ceil(rejection.retryAfterMs / 10) * 10;
  const metadata = new Metadata();
  metadata.set(
    DETAILS,
    fallback === undefined
      ? lastBytes.get(circuit, reason, code, retryAfterMs)
      : encode(circuit, reason, code, retryAfterMs, fallback),
  );
  return { code, details: `${TEXT[reason]}: ${circuit}`, metadata };
}

function encode(
  circuit: string,
  reason: RejectionReason,
  code: status,
  retryAfterMs: number,
  fallback?: string,
) {
  const info = new Map([['circuit', circuit]]);
  if (fallback !== undefined) info.set('fallback', fallback);
  const details = [
    { typeUrl: ERROR_INFO, value: encodeErrorInfo(reason, info) },
    {
      typeUrl: RETRY_INFO,
      value: Buffer.from(RetryInfo.encode({ retryDelay: duration(retryAfterMs) }).finish()),
    },
  ];
  const message = `${TEXT[reason]}: ${circuit}`;
  return Buffer.from(Status.encode({ code, message, details }).finish());
}

/** Callers that are rejected come many at a time, from one circuit with one time to wait: the last bytes mostly fit. */
class LastBytes {
  #circuit = '';
  #reason = '';
  #retryAfterMs = -1;
  #bytes: Buffer = Buffer.alloc(0);

  get(circuit: string, reason: RejectionReason, code: status, retryAfterMs: number): Buffer {
    if (this.#retryAfterMs !== retryAfterMs || this.#reason !== reason || this.#circuit !== circuit) {
      this.#bytes = encode(circuit, reason, code, retryAfterMs);
      this.#circuit = circuit;
      this.#reason = reason;
      this.#retryAfterMs = retryAfterMs;
    }
    return this.#bytes;
  }
}

const lastBytes = new LastBytes();

function encodeErrorInfo(reason: string, metadata: Map<string, string>): Buffer {
  return Buffer.from(ErrorInfo.encode({ reason, domain: DOMAIN, metadata }).finish());
}

function duration(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}

/**
 * The status of a failed call with the story of the fallbacks that could not answer either: code and details are the
 * server's own, an ErrorInfo (`reason: FALLBACK_FAILED`) is added to its details.
 */
export function withFallbackStory(failed: StatusObject, fallback: string): StatusObject {
  const metadata = failed.metadata.clone();
  const theirs =
    metadata.get(DETAILS).length === 0
      ? { code: failed.code, message: failed.details, details: [] }
      : decodeDetails(metadata);
  if (theirs === undefined) return failed; // what is no status is the server's own affair, and left alone
  const value = encodeErrorInfo('FALLBACK_FAILED', new Map([['fallback', fallback]]));
  const details = [...theirs.details, { typeUrl: ERROR_INFO, value }];
  metadata.set(DETAILS, Buffer.from(Status.encode({ ...theirs, details }).finish()));
  return { ...failed, metadata };
}

/**
 * Reads a caller's error: what the circuit said, or undefined when it was not a circuit that ended the call.
 * @example const rejection = circuitRejectionOf(error); if (rejection) retryAfter(rejection.retryAfterMs);
 */
export function circuitRejectionOf(error: unknown): CircuitRejection | undefined {
  if (typeof error !== 'object' || error === null || !('metadata' in error)) return undefined;
  if (!isMetadata(error.metadata)) return undefined;
  try {
    return readRejection(decodeDetails(error.metadata)?.details ?? []);
  } catch {
    return undefined; // details that do not parse are not ours
  }
}

/** Also the Metadata of another copy of grpc-js, which is an instance of another class. */
function isMetadata(value: unknown): value is Pick<Metadata, 'get'> {
  return typeof value === 'object' && value !== null && 'get' in value && typeof value.get === 'function';
}

function readRejection(details: Status['details']): CircuitRejection | undefined {
  for (const detail of details) {
    if (detail.typeUrl !== ERROR_INFO) continue;
    const { domain, reason, metadata } = ErrorInfo.decode(detail.value);
    const known = REJECTION_REASONS.find((one) => one === reason);
    if (domain !== DOMAIN || known === undefined) continue;
    const retry = details.find((other) => other.typeUrl === RETRY_INFO);
    const delay = retry && RetryInfo.decode(retry.value).retryDelay;
    return {
      circuit: metadata.get('circuit') ?? '',
      reason: known,
      retryAfterMs: delay ? Number(delay.seconds) * 1_000 + delay.nanos / 1e6 : 0,
      fallback: metadata.get('fallback'),
    };
  }
  return undefined;
}

function decodeDetails(metadata: Pick<Metadata, 'get'>): Status | undefined {
  const bytes = metadata.get(DETAILS)[0];
  if (!(bytes instanceof Buffer)) return undefined;
  try {
    return Status.decode(bytes);
  } catch {
    return undefined; // a server may put anything there; what is no status says nothing
  }
}
