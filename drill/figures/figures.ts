import { FAST_MS } from '../scenario/scenario.js';
import type { CellView, SeenCall } from './cell-view.js';

/** The figures of a cell. Shares are 0 to 1, of the counted calls from the trigger on; `null` means never. */
export interface Figures {
  /**
   * Answered in time by the primary, or by the fallback; failed before the deadline; not answered by the deadline. They add
   * up to 1.
   */
  readonly primary: number;
  readonly degraded: number;
  readonly errors: number;
  readonly late: number;
  /** How long callers waited, however their calls ended. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /**
   * Calls that reached no server and were not answered by the primary, weighted by the chance that a server would have
   * answered them.
   */
  readonly healthyRejected: number;
  /** How often a call that was made while the servers were unwell reached a server: a mean, above 1 with retries. */
  readonly reached: number;
  /** Time from the trigger to the first answers that are fast again, while things go wrong. */
  readonly detectedMs: number | null;
  /** Time from the end of the trouble to 95 % answers of the primary. */
  readonly recoveredMs: number | null;
  /** How often a breaker opened though no server had been unwell. */
  readonly falseTrips: number;
  /** Callers' calls that were used as probes and got no answer of the primary. */
  readonly callerProbes: number;
  readonly peakInFlight: number;
  /** The primary's share of the answers at the very end: below 1, the trouble outlives its cause. */
  readonly primaryAtEnd: number;
  /** The longest time for which the machine was too busy to run a server: a cell with hundreds of milliseconds proves little. */
  readonly disturbedMs: number;
}

/** Shorter troubles are over before any answer can be fast: for these, the first fast answers after the trouble count. */
const SHORT_MS = 500;
const DETECTION_BUCKET_MS = 100;
const DETECTION_BUCKETS = 3;
const DETECTED_SHARE = 0.9;
const RECOVERY_WINDOW_MS = 500;
const RECOVERY_STEP_MS = 100;
const RECOVERED_SHARE = 0.95;
const END_MS = 2_000;
/** Servers with a lower chance of an answer are unwell. */
const UNWELL = 0.95;

/** @param serviceMs the time that the servers take for a call when all is well */
export function figuresOf(view: CellView, serviceMs: number): Figures {
  const { phases } = view;
  const stayed = view.calls.filter(({ end }) => end !== 'left');
  const counted = stayed.filter((call) => call.counted && call.atMs >= 0);
  const share = (end: SeenCall['end']) => shareOf(counted, (call) => call.end === end);
  const took = counted.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const unwell = stayed.filter(({ atMs, chance }) => atMs >= 0 && chance < UNWELL);
  const since = stayed.filter(({ atMs }) => atMs >= 0);
  const endMs = phases.faultMs + phases.afterMs;
  const last = Math.min(END_MS, phases.afterMs / 2);
  return {
    primary: share('primary'),
    degraded: share('degraded'),
    errors: share('error'),
    late: share('late'),
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
    maxMs: quantile(took, 1),
    healthyRejected:
      since.length === 0 ? 0 : sum(since.filter(wasRejected), ({ chance }) => chance) / since.length,
    reached: unwell.length === 0 ? 0 : sum(unwell, ({ reached }) => reached) / unwell.length,
    detectedMs: detectedMs(counted, phases.faultMs < SHORT_MS ? endMs : phases.faultMs, FAST_MS + serviceMs),
    recoveredMs: recoveredMs(counted, phases.faultMs, endMs),
    falseTrips: view.trips.filter(({ isFalse }) => isFalse).length,
    callerProbes: view.calls.filter(({ sent, end }) => sent === 'half-open' && end !== 'primary').length,
    peakInFlight: view.peakInFlight,
    disturbedMs: view.disturbedMs,
    primaryAtEnd: shareOf(
      counted.filter(({ atMs }) => atMs >= endMs - last),
      ({ end }) => end === 'primary',
    ),
  };
}

function wasRejected({ reached, end }: SeenCall): boolean {
  return reached === 0 && end !== 'primary';
}

/** The first of several hundred milliseconds in a row in which nine in ten callers are answered fast. */
function detectedMs(calls: readonly SeenCall[], endMs: number, fastMs: number): number | null {
  const width = DETECTION_BUCKET_MS;
  const isFast = ({ end, tookMs }: SeenCall) => (end === 'primary' || end === 'degraded') && tookMs <= fastMs;
  for (let from = 0; from + width <= endMs; from += width) {
    const some = between(calls, from, from + width * DETECTION_BUCKETS);
    if (some.length > 0 && shareOf(some, isFast) >= DETECTED_SHARE) return from;
  }
  return null;
}

function recoveredMs(calls: readonly SeenCall[], faultMs: number, endMs: number): number | null {
  for (let from = faultMs; from + RECOVERY_WINDOW_MS <= endMs; from += RECOVERY_STEP_MS) {
    const some = between(calls, from, from + RECOVERY_WINDOW_MS);
    if (some.length > 0 && shareOf(some, ({ end }) => end === 'primary') >= RECOVERED_SHARE)
      return from - faultMs;
  }
  return null;
}

/** @param calls in the order of time */
export function between(calls: readonly SeenCall[], fromMs: number, toMs: number): readonly SeenCall[] {
  return calls.slice(firstAt(calls, fromMs), firstAt(calls, toMs));
}

/** The index of the first call at that time or later. */
function firstAt(calls: readonly SeenCall[], atMs: number): number {
  let [low, high] = [0, calls.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((calls[middle]?.atMs ?? Number.POSITIVE_INFINITY) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The share of the things for which `is` holds; 0 where there are no things. */
export function shareOf<T>(things: readonly T[], is: (thing: T) => boolean): number {
  return things.length === 0 ? 0 : things.filter(is).length / things.length;
}

/** @param sorted ascending */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

function sum<T>(things: readonly T[], value: (thing: T) => number): number {
  return things.reduce((total, thing) => total + value(thing), 0);
}
