import { checkInteger, checkNumber, checkOneOf } from '../checks.js';
import { OUTCOMES } from '../classify/outcome.js';
import { invalid } from '../errors.js';
import type { ResolvedOptions } from './options/resolve.js';
import { Ramp } from './ramp.js';
import type { State } from './state.js';
import type { BaselineSnapshot } from './trip/baseline.js';
import { type CircuitSnapshot, type CircuitStateName, REJECTION_REASONS } from './types.js';

/** The fields that a circuit takes over from a snapshot. */
export type RestorableSnapshot = Pick<
  CircuitSnapshot,
  'takenAtMs' | 'state' | 'sinceMs' | 'openings' | 'openUntilMs' | 'totals' | 'lastTrip' | 'baseline'
>;

const STATES: readonly CircuitStateName[] = ['closed', 'open', 'half-open', 'recovering'];

/** The defaults of these counts: snapshots of earlier versions do not have them. */
const NO_DISCOUNTS = Object.freeze({ correlated: 0, connecting: 0, stalled: 0, notSent: 0 });
const DISCOUNTS = ['correlated', 'connecting', 'stalled', 'notSent'] as const;

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields(field: string, value: unknown): Fields {
  if (!isFields(value)) throw invalid(field, 'an object', value);
  return value;
}

function counts<Name extends string>(
  field: string,
  value: unknown,
  names: readonly Name[],
): Record<Name, number> {
  const given = fields(field, value);
  const entries = names.map((name) => [name, checkInteger(`${field}.${name}`, given[name], 0)] as const);
  const result: Partial<Record<Name, number>> = {};
  for (const [name, count] of entries) result[name] = count;
  if (!isComplete(result, names)) throw invalid(field, names.join(', '), value);
  return result;
}

function isComplete<Name extends string>(
  value: Partial<Record<Name, number>>,
  names: readonly Name[],
): value is Record<Name, number> {
  return names.every((name) => value[name] !== undefined);
}

/**
 * Checks and copies the fields of a snapshot that a circuit takes over; a snapshot most often comes out of JSON. Other fields
 * are ignored: a newer version may have written them.
 * @param field how an error names the snapshot
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function parseSnapshot(value: unknown, field = 'snapshot'): RestorableSnapshot {
  const given = fields(field, value);
  if (given.version !== 1) throw invalid(`${field}.version`, '1', given.version);
  const state = checkOneOf(`${field}.state`, given.state, STATES);
  const totals = fields(`${field}.totals`, given.totals);
  return {
    takenAtMs: checkNumber(`${field}.takenAtMs`, given.takenAtMs, 0),
    state,
    sinceMs: checkNumber(`${field}.sinceMs`, given.sinceMs, 0),
    openings: checkInteger(`${field}.openings`, given.openings, 0),
    openUntilMs: state === 'open' ? checkNumber(`${field}.openUntilMs`, given.openUntilMs, 0) : null,
    totals: {
      admitted: checkInteger(`${field}.totals.admitted`, totals.admitted, 0),
      outcomes: counts(`${field}.totals.outcomes`, totals.outcomes, OUTCOMES),
      rejected: counts(`${field}.totals.rejected`, totals.rejected, REJECTION_REASONS),
      stale: checkInteger(`${field}.totals.stale`, totals.stale, 0),
      opened: checkInteger(`${field}.totals.opened`, totals.opened, 0),
      ...counts(`${field}.totals`, { ...NO_DISCOUNTS, ...totals }, DISCOUNTS),
    },
    lastTrip: parseLastTrip(`${field}.lastTrip`, given.lastTrip),
    ...(given.baseline !== undefined && { baseline: parseBaseline(`${field}.baseline`, given.baseline) }),
  };
}

/**
 * Checks that a value is a snapshot from which a circuit can be restored.
 * @param field how an error names the value
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function checkSnapshot(
  value: unknown,
  field: string,
): asserts value is { readonly circuitKey: string } {
  const { circuitKey } = fields(field, value);
  if (typeof circuitKey !== 'string') throw invalid(`${field}.circuitKey`, 'a string', circuitKey);
  parseSnapshot(value, field);
}

function parseLastTrip(field: string, value: unknown): CircuitSnapshot['lastTrip'] {
  if (value === null) return null;
  const { atMs, reason } = fields(field, value);
  if (typeof reason !== 'string') throw invalid(`${field}.reason`, 'a string', reason);
  return { atMs: checkNumber(`${field}.atMs`, atMs, 0), reason };
}

/** Latencies span 31 doublings. A variance above the square of that would keep the rule from ever firing again. */
const MOST_VARIANCE = 31 ** 2;

function parseBaseline(field: string, value: unknown): BaselineSnapshot {
  const baseline = fields(field, value);
  return {
    calls: checkInteger(`${field}.calls`, baseline.calls, 0),
    errorRate: checkNumber(`${field}.errorRate`, baseline.errorRate, 0, 1),
    latencyMs: checkNumber(`${field}.latencyMs`, baseline.latencyMs, 0),
    latencyVariance: checkNumber(`${field}.latencyVariance`, baseline.latencyVariance, 0, MOST_VARIANCE),
  };
}

/**
 * The state in which a restored circuit begins. The wall clock may have been set since the snapshot was taken, or may be another
 * machine's: so no state begins in the future, and none lasts longer than was left when the snapshot was taken.
 * @param nowMs by the monotonic clock, like all times of a state
 * @param aheadMs how far the epoch is ahead of the monotonic clock
 */
export function restoredState(
  known: RestorableSnapshot,
  { open, recovering }: ResolvedOptions,
  nowMs: number,
  aheadMs: number,
): State {
  const sinceMs = restoredSinceMs(known, nowMs, aheadMs);
  switch (known.state) {
    case 'open': {
      const untilMs = known.openUntilMs ?? 0;
      const leftMs = Math.min(
        untilMs - aheadMs - nowMs,
        untilMs - known.takenAtMs,
        Math.max(open.maxMs, open.maxPushbackMs),
      );
      return { name: 'open', sinceMs, untilMs: nowMs + Math.max(0, leftMs) };
    }
    case 'half-open':
      // its probes belonged to another process: the next call is a new probe
      return { name: 'open', sinceMs, untilMs: nowMs };
    case 'recovering':
      if (recovering === false) return { name: 'closed', sinceMs };
      return { name: 'recovering', sinceMs, ramp: new Ramp(recovering, sinceMs) };
    case 'closed':
      return { name: 'closed', sinceMs };
  }
}

/** When the state of a snapshot began, by the monotonic clock of this process; never in the future. */
export function restoredSinceMs(known: RestorableSnapshot, nowMs: number, aheadMs: number): number {
  return Math.min(known.sinceMs - aheadMs, nowMs);
}
