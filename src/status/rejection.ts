import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { REJECTION_REASONS, type Rejection, type RejectionReason } from '../circuit/types.js';
import { wellFormed } from '../text.js';
import { isOwn, OwnMetadata } from './own-metadata.js';
import { LARGEST_INT32, PUSHBACK } from './push-back.js';
import {
  boundedMs,
  encodeDetails,
  errorInfo,
  errorInfos,
  readDetails,
  retryDelayMs,
  retryInfo,
  writeDetails,
} from './status-details.js';

const DOMAIN = 'failsoft';

/** The text of each reason in a status's details. */
const TEXT: Readonly<Record<RejectionReason, string>> = {
  CIRCUIT_OPEN: 'circuit open',
  HALF_OPEN: 'circuit half-open, its probe is under way',
  RECOVERING: 'circuit recovering, not yet open to every call',
  ISOLATED: 'circuit isolated by hand',
  CONCURRENCY_LIMIT: 'concurrency limit reached',
  THROTTLED: 'throttled: too few calls succeed',
};

/** The rejection of a call by a circuit of this process, as {@link circuitRejectionOf} reads it from the error. */
export interface CircuitRejection {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** Why the circuit rejected the call. */
  readonly reason: RejectionReason;
  /** After how many milliseconds a retry may succeed: finite and not negative; 0 if that is unknown. */
  readonly retryAfterMs: number;
  /** How each fallback failed or declined; undefined if the call had no fallbacks. */
  readonly fallback: string | undefined;
}

/**
 * The status of a rejected call that no fallback answered: UNAVAILABLE, or RESOURCE_EXHAUSTED for a concurrency limit. It has
 * RetryInfo and ErrorInfo in `grpc-status-details-bin`, and `grpc-retry-pushback-ms` (gRFC A6) for interceptors that retry
 * above the guard.
 * @param deadlineMs the call's deadline, in milliseconds since the epoch; Infinity without a deadline
 */
export function rejectionStatus(
  circuitKey: string,
  rejection: Rejection,
  deadlineMs: number,
  fallback?: string,
): StatusObject {
  const { reason } = rejection;
  // To the next hundredth of a second: precise enough for a retry, and few enough values to reuse the encoded bytes.
  const retryAfterMs = boundedMs(Math.ceil(rejection.retryAfterMs / 10) * 10);
  const { code, details, bytes } =
    fallback === undefined
      ? lastEncoded.get(circuitKey, reason, retryAfterMs)
      : encode(circuitKey, reason, retryAfterMs, fallback);
  const metadata = new OwnMetadata();
  writeDetails(metadata, bytes);
  metadata.set(PUSHBACK, retryHelps(retryAfterMs, deadlineMs) ? String(retryAfterMs) : '-1');
  return { code, details, metadata };
}

/** Whether a retry can succeed within the call's deadline. No if the time to wait is unknown. */
function retryHelps(retryAfterMs: number, deadlineMs: number): boolean {
  if (retryAfterMs === 0 || retryAfterMs > LARGEST_INT32) return false;
  return deadlineMs === Number.POSITIVE_INFINITY || Date.now() + retryAfterMs < deadlineMs;
}

interface Encoded {
  readonly code: status;
  readonly details: string;
  readonly bytes: Buffer;
}

function encode(
  circuitKey: string,
  reason: RejectionReason,
  retryAfterMs: number,
  fallback?: string,
): Encoded {
  const code = reason === 'CONCURRENCY_LIMIT' ? status.RESOURCE_EXHAUSTED : status.UNAVAILABLE;
  const details = wellFormed(`${TEXT[reason]}: ${circuitKey}`);
  const info = new Map([['circuitKey', circuitKey]]);
  if (fallback !== undefined) info.set('fallback', fallback);
  const bytes = encodeDetails({
    code,
    message: details,
    details: [errorInfo(DOMAIN, reason, info), retryInfo(retryAfterMs)],
  });
  return { code, details, bytes };
}

/** Keeps the last encoding: a circuit often rejects many calls in a row with the same time to wait. */
class LastEncoded {
  #circuitKey: string | undefined;
  #reason: RejectionReason = 'CIRCUIT_OPEN';
  #retryAfterMs = 0;
  #encoded: Encoded = { code: status.UNAVAILABLE, details: '', bytes: Buffer.alloc(0) };

  get(circuitKey: string, reason: RejectionReason, retryAfterMs: number): Encoded {
    if (this.#retryAfterMs !== retryAfterMs || this.#reason !== reason || this.#circuitKey !== circuitKey) {
      this.#encoded = encode(circuitKey, reason, retryAfterMs);
      this.#circuitKey = circuitKey;
      this.#reason = reason;
      this.#retryAfterMs = retryAfterMs;
    }
    return this.#encoded;
  }
}

const lastEncoded = new LastEncoded();

/**
 * The status of a failed call, with the attempts of its fallbacks: code and details are the server's own, and an ErrorInfo
 * (`reason: FALLBACK_FAILED`) is added to its details.
 */
export function withFallbackStory(failed: StatusObject, fallback: string): StatusObject {
  const metadata: Metadata = failed.metadata.clone();
  const read = readDetails(metadata);
  if (read === 'unreadable') return failed; // the server's own bytes are passed on unchanged
  const theirs = read === 'none' ? { code: failed.code, message: failed.details, details: [] } : read;
  const story = errorInfo(DOMAIN, 'FALLBACK_FAILED', new Map([['fallback', fallback]]));
  writeDetails(metadata, encodeDetails({ ...theirs, details: [...theirs.details, story] }));
  return { ...failed, metadata };
}

/** The property with the metadata of a rejection on another library's error. One symbol for every copy of failsoft in the process. */
const MARK = Symbol.for('failsoft.rejection-metadata');

/** Marks an error whose own `metadata` are no Metadata of grpc-js as a rejection's, for {@link circuitRejectionOf}. */
export function markRejection<E extends object>(error: E, metadata: Metadata): E {
  return Object.defineProperty(error, MARK, { value: metadata });
}

/**
 * Reads from a caller's error which circuit rejected the call, and why. Returns undefined for any other error, also for a
 * rejection in another process: if a gateway that uses failsoft passes on a rejection of its own guard, the call did reach the
 * gateway, and failed there.
 * @example const rejection = circuitRejectionOf(error); if (rejection) retryAfter(rejection.retryAfterMs);
 */
export function circuitRejectionOf(error: unknown): CircuitRejection | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const metadata: unknown = Reflect.get(error, MARK) ?? Reflect.get(error, 'metadata');
  if (!isOwn(metadata)) return undefined;
  const details = readDetails(metadata);
  for (const { domain, reason, metadata } of errorInfos(details)) {
    const known = REJECTION_REASONS.find((name) => name === reason);
    if (domain !== DOMAIN || known === undefined) continue;
    return {
      circuitKey: metadata.get('circuitKey') ?? '',
      reason: known,
      retryAfterMs: retryDelayMs(details),
      fallback: metadata.get('fallback'),
    };
  }
  return undefined;
}
