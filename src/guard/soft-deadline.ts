import { checkDurationMs, checkKeys, checkNumber, checkPositive } from '../checks.js';
import type { UsualLatency } from './usual-latency.js';

/** A soft deadline that follows the model: a percentile of its last latencies, times a factor. */
export interface SoftDeadlineOptions {
  /**
   * The percentile of the durations of the circuit's last 128 successful calls, above 0, up to 100. There is no soft deadline
   * before 20 such calls.
   */
  readonly percentile: number;
  /** The factor by which the percentile is multiplied. @default 1 */
  readonly factor?: number;
  /** The shortest soft deadline, in milliseconds. @default 1 */
  readonly minMs?: number;
  /** The longest soft deadline, in milliseconds. @default Infinity */
  readonly maxMs?: number;
}

/** After how long a call without an answer counts as slow. */
export interface SoftDeadline {
  /** The soft deadline in milliseconds; Infinity while too few calls are known. */
  of(usual: UsualLatency): number;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function softDeadline(
  field: string,
  value: number | SoftDeadlineOptions | undefined,
): SoftDeadline | undefined {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return undefined;
  if (typeof value === 'object') return byPercentile(field, value);
  const afterMs = checkDurationMs(field, value, 1);
  return { of: () => afterMs };
}

function byPercentile(field: string, options: SoftDeadlineOptions): SoftDeadline {
  checkKeys(field, options, ['percentile', 'factor', 'minMs', 'maxMs']);
  const percentile = checkPositive(`${field}.percentile`, options.percentile);
  checkNumber(`${field}.percentile`, percentile, 0, 100);
  const factor = checkPositive(`${field}.factor`, options.factor ?? 1);
  const minMs = checkDurationMs(`${field}.minMs`, options.minMs ?? 1, 1);
  const maxMs = checkNumber(`${field}.maxMs`, options.maxMs ?? Number.POSITIVE_INFINITY, minMs, Infinity);
  return {
    of: (usual) => {
      const ms = usual.percentileMs(percentile) * factor;
      return ms === Number.POSITIVE_INFINITY ? ms : Math.min(maxMs, Math.max(minMs, ms));
    },
  };
}
