import type { CircuitSnapshot } from '../../../circuit/types.js';
import type { AnswersView, CircuitView, Sample } from '../view/protocol.js';
import { rounded } from './series.js';

/** In milliseconds. The same moment may differ by this much in two snapshots, because it is computed from two clocks. */
const CLOCK_NOISE_MS = 3;

/** The view of a circuit. Moments that have not changed are the same number as in the view before. */
export function viewOf(
  snapshot: CircuitSnapshot,
  before: CircuitView | undefined,
  beside: Pick<CircuitView, 'process' | 'settings' | 'answers' | 'nextCheckAtMs'>,
): CircuitView {
  const { window, openUntilMs } = snapshot;
  const { latencyMs } = window;
  const tenth = (ms: number) => rounded(ms, 10);
  return {
    process: beside.process,
    circuitKey: snapshot.circuitKey,
    engine: snapshot.engine,
    state: snapshot.state,
    mode: snapshot.mode,
    isolated: snapshot.isolated,
    sinceMs: steady(before?.sinceMs, snapshot.sinceMs),
    openings: snapshot.openings,
    openUntilMs: openUntilMs === null ? null : steady(before?.openUntilMs, openUntilMs),
    nextCheckAtMs: beside.nextCheckAtMs === null ? null : steady(before?.nextCheckAtMs, beside.nextCheckAtMs),
    generation: snapshot.generation,
    inFlight: snapshot.inFlight,
    window: {
      calls: window.calls,
      unhealthy: window.unhealthy,
      failureRate: rounded(window.failureRate, 10_000),
      slowRate: window.slowRate === null ? null : rounded(window.slowRate, 10_000),
      latencyMs: latencyMs && {
        p50: tenth(latencyMs.p50),
        p90: tenth(latencyMs.p90),
        p99: tenth(latencyMs.p99),
      },
    },
    consecutiveFailures: snapshot.consecutiveFailures,
    totals: snapshot.totals,
    lastTrip: snapshot.lastTrip && {
      atMs: Math.round(snapshot.lastTrip.atMs),
      reason: snapshot.lastTrip.reason,
    },
    ...(snapshot.concurrencyLimit !== undefined && { concurrencyLimit: snapshot.concurrencyLimit }),
    settings: beside.settings,
    answers: beside.answers,
  };
}

function steady(before: number | null | undefined, now: number): number {
  const isSame = typeof before === 'number' && Math.abs(before - now) <= CLOCK_NOISE_MS;
  return isSame ? before : Math.round(now);
}

/** Whether a page would show the two views differently. */
export function differs(a: CircuitView, b: CircuitView): boolean {
  return (
    a.generation !== b.generation ||
    a.totals.admitted !== b.totals.admitted ||
    rejectedOf(a) !== rejectedOf(b) ||
    settledOf(a) !== settledOf(b) ||
    a.inFlight !== b.inFlight ||
    a.window.calls !== b.window.calls ||
    a.window.unhealthy !== b.window.unhealthy ||
    a.isolated !== b.isolated ||
    a.mode !== b.mode ||
    a.openUntilMs !== b.openUntilMs ||
    a.nextCheckAtMs !== b.nextCheckAtMs ||
    a.settings !== b.settings ||
    a.concurrencyLimit !== b.concurrencyLimit ||
    answersOf(a) !== answersOf(b)
  );
}

export function rejectedOf({ totals }: CircuitView): number {
  return sum(totals.rejected);
}

function settledOf({ totals }: CircuitView): number {
  return sum(totals.outcomes) + totals.stale;
}

function answersOf({ answers }: CircuitView): number {
  let total = 0;
  for (const { count } of answers) total += count;
  return total;
}

function sum(counts: Readonly<Record<string, number>>): number {
  let total = 0;
  for (const name in counts) total += counts[name] ?? 0;
  return total;
}

/**
 * The sample for the time between two views. A total that has fallen was reset, and counts from 0.
 * @param before undefined for a circuit that is new since then
 * @param share the length of a step as a share of the time between the views: after a pause, a step gets its part of the counts
 */
export function sampleBetween(before: CircuitView | undefined, now: CircuitView, share: number): Sample {
  const grown = (after: number, earlier = 0) =>
    rounded((after >= earlier ? after - earlier : after) * share, 10);
  const rejected = grown(rejectedOf(now), before && rejectedOf(before));
  const earlier = before && bySource(before.answers);
  const answers: Record<string, number> = {};
  for (const [source, count] of bySource(now.answers)) {
    const more = grown(count, earlier?.get(source));
    if (more > 0) Object.defineProperty(answers, source, { value: more, enumerable: true });
  }
  return {
    calls: rejected + grown(now.totals.admitted, before?.totals.admitted),
    rejected,
    failureRate: now.window.failureRate,
    p50: now.window.latencyMs?.p50 ?? null,
    p99: now.window.latencyMs?.p99 ?? null,
    answers,
  };
}

function bySource(answers: readonly AnswersView[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { source, count } of answers) counts.set(source, (counts.get(source) ?? 0) + count);
  return counts;
}
