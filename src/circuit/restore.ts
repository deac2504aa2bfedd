import { checkInteger, checkNumber, checkOneOf } from '../checks.js';
import { OUTCOMES } from '../classify/outcome.js';
import { invalid } from '../errors.js';
import { CIRCUIT_MODES, type ResolvedOptions } from './options.js';
import { Ramp } from './ramp.js';
import type { Settings } from './settings.js';
import type { State } from './state.js';
import { nearestRank } from './trip/latency-percentile.js';
import { type CircuitSnapshot, type CircuitStateName, REJECTION_REASONS } from './types.js';
import { COARSE_BITS, encodeLatency, leastMs } from './window/latency-code.js';
import type { Window } from './window/window.js';

const STATES: readonly CircuitStateName[] = ['closed', 'open', 'half-open', 'recovering'];

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields(field: string, value: unknown): Fields {
  if (!isFields(value)) throw invalid(field, 'an object', value);
  return value;
}

function text(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(field, 'a string', value);
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
 * Checks that a value, most often out of JSON, is a snapshot. Unknown fields are let through: a newer version may
 * have written them.
 * @param field how an error names the snapshot
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function parseSnapshot(value: unknown, field = 'snapshot'): CircuitSnapshot {
  const given = fields(field, value);
  if (given.version !== 1) throw invalid(`${field}.version`, '1', given.version);
  const state = checkOneOf(`${field}.state`, given.state, STATES);
  const totals = fields(`${field}.totals`, given.totals);
  return {
    version: 1,
    key: text(`${field}.key`, given.key),
    engine: text(`${field}.engine`, given.engine),
    takenAtMs: checkNumber(`${field}.takenAtMs`, given.takenAtMs, 0),
    state,
    mode: checkOneOf(`${field}.mode`, given.mode, CIRCUIT_MODES),
    isolated: checkInteger(`${field}.isolated`, given.isolated, 0),
    sinceMs: checkNumber(`${field}.sinceMs`, given.sinceMs, 0),
    attempt: checkInteger(`${field}.attempt`, given.attempt, 0),
    openUntilMs: state === 'open' ? checkNumber(`${field}.openUntilMs`, given.openUntilMs, 0) : null,
    generation: checkInteger(`${field}.generation`, given.generation, 0),
    inFlight: checkInteger(`${field}.inFlight`, given.inFlight, 0),
    window: parseWindow(`${field}.window`, given.window),
    consecutiveFailures: checkInteger(`${field}.consecutiveFailures`, given.consecutiveFailures, 0),
    totals: {
      admitted: checkInteger(`${field}.totals.admitted`, totals.admitted, 0),
      outcomes: counts(`${field}.totals.outcomes`, totals.outcomes, OUTCOMES),
      rejected: counts(`${field}.totals.rejected`, totals.rejected, REJECTION_REASONS),
      stale: checkInteger(`${field}.totals.stale`, totals.stale, 0),
      opened: checkInteger(`${field}.totals.opened`, totals.opened, 0),
    },
    lastTrip: parseLastTrip(`${field}.lastTrip`, given.lastTrip),
    ...(given.baseline !== undefined && { baseline: parseBaseline(`${field}.baseline`, given.baseline) }),
  };
}

function parseWindow(field: string, value: unknown): CircuitSnapshot['window'] {
  const window = fields(field, value);
  const calls = checkInteger(`${field}.calls`, window.calls, 0);
  const latency = window.latencyMs === null ? null : fields(`${field}.latencyMs`, window.latencyMs);
  return {
    calls,
    unhealthy: checkInteger(`${field}.unhealthy`, window.unhealthy, 0, calls),
    failureRate: checkNumber(`${field}.failureRate`, window.failureRate, 0, 1),
    slowRate: window.slowRate === null ? null : checkNumber(`${field}.slowRate`, window.slowRate, 0, 1),
    latencyMs: latency && {
      p50: checkNumber(`${field}.latencyMs.p50`, latency.p50, 0),
      p90: checkNumber(`${field}.latencyMs.p90`, latency.p90, 0),
      p99: checkNumber(`${field}.latencyMs.p99`, latency.p99, 0),
    },
  };
}

function parseLastTrip(field: string, value: unknown): CircuitSnapshot['lastTrip'] {
  if (value === null) return null;
  const trip = fields(field, value);
  return {
    atMs: checkNumber(`${field}.atMs`, trip.atMs, 0),
    reason: text(`${field}.reason`, trip.reason),
  };
}

/** Latencies span 31 doublings; more than the square of that would keep the rule from ever firing again. */
const MOST_VARIANCE = 31 ** 2;

function parseBaseline(field: string, value: unknown): NonNullable<CircuitSnapshot['baseline']> {
  const baseline = fields(field, value);
  return {
    calls: checkInteger(`${field}.calls`, baseline.calls, 0),
    errorRate: checkNumber(`${field}.errorRate`, baseline.errorRate, 0, 1),
    latencyMs: checkNumber(`${field}.latencyMs`, baseline.latencyMs, 0),
    latencyVariance: checkNumber(`${field}.latencyVariance`, baseline.latencyVariance, 0, MOST_VARIANCE),
  };
}

/** The state that a circuit goes on in. */
export function restoredState(
  known: CircuitSnapshot,
  { open, recovering }: ResolvedOptions,
  nowMs: number,
): State {
  const sinceMs = Math.min(known.sinceMs, nowMs);
  switch (known.state) {
    case 'open': {
      // a snapshot from a machine whose clock is wrong must not hold the circuit open for years
      const latestMs = nowMs + Math.max(open.maxMs, open.maxPushbackMs);
      const untilMs = Math.max(sinceMs, Math.min(known.openUntilMs ?? nowMs, latestMs));
      return { name: 'open', sinceMs, untilMs };
    }
    case 'half-open':
      // its probes were another process's: the next call is a new one
      return { name: 'open', sinceMs, untilMs: nowMs };
    case 'recovering':
      if (recovering === false) return { name: 'closed', sinceMs };
      return { name: 'recovering', sinceMs, ramp: new Ramp(recovering, sinceMs) };
    case 'closed':
      return { name: 'closed', sinceMs };
  }
}

/** A time window takes any number; the rates need no more than this. */
const MOST_IN_TIME = 100_000;

/**
 * Fills an empty window, rolled to when the snapshot was taken, with calls such as a snapshot tells of: as many (at most
 * what fits), as unhealthy, spread evenly. Latencies are rebuilt from the percentiles, the value between two being the
 * lower one (0 below the median), and each the least that is told as this percentile, so that no rule fires on what
 * nobody measured.
 * Which call was which, and in what order, is lost.
 */
export function refillWindow(
  window: Window,
  settings: Settings,
  known: CircuitSnapshot,
  nowMs: number,
): void {
  const spec = settings.window.window;
  const told = known.window.latencyMs;
  // a snapshot tells the middle of a step of its window's latencies: in a time window of a coarse one
  const steps = spec.type === 'time' ? -1 << COARSE_BITS : -1;
  const leastOf = (ms: number) => leastMs(encodeLatency(ms) & steps);
  const latencyMs = told && { p50: leastOf(told.p50), p90: leastOf(told.p90), p99: leastOf(told.p99) };
  const atMs = Math.min(known.takenAtMs, nowMs);
  const calls = Math.min(known.window.calls, spec.type === 'count' ? spec.size : MOST_IN_TIME);
  const unhealthy = calls === 0 ? 0 : Math.floor((calls * known.window.unhealthy) / known.window.calls);
  // coprime to calls, so that fast and slow calls are mixed but each rank is used once
  const stride = coprimeStride(calls);
  for (let i = 0; i < calls; i++) {
    const isUnhealthy = Math.floor(((i + 1) * unhealthy) / calls) > Math.floor((i * unhealthy) / calls);
    const rank = 1 + ((i * stride) % calls);
    window.record(isUnhealthy, latencyMs === null ? 0 : latencyAt(latencyMs, rank, calls), atMs);
  }
  window.roll(nowMs);
}

function latencyAt(
  latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number },
  rank: number,
  calls: number,
): number {
  if (rank >= nearestRank(99, calls)) return latencyMs.p99;
  if (rank >= nearestRank(90, calls)) return latencyMs.p90;
  return rank >= nearestRank(50, calls) ? latencyMs.p50 : 0;
}

function coprimeStride(calls: number): number {
  let stride = Math.max(1, Math.floor(calls * 0.618));
  while (gcd(stride, calls) > 1) stride += 1;
  return stride;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
