import type { CircuitStateName } from '../../../circuit/types.js';
import type { CircuitView, Sample, TimelineEntry } from './protocol.js';

/** The state of a circuit for a part of the time. */
export interface Segment {
  readonly state: CircuitStateName | 'isolated';
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The states of a circuit over a span of time, without gaps. Before the first known change it was in the state that this
 * change left.
 */
export function segmentsOf(
  view: CircuitView,
  timeline: readonly TimelineEntry[],
  fromMs: number,
  toMs: number,
): Segment[] {
  const segments: Segment[] = [];
  const isMove = ({ to }: TimelineEntry) => to !== 'isolated' && to !== 'released';
  const first = timeline.find(isMove);
  let state: CircuitStateName = first === undefined ? view.state : stateName(first.from, view.state);
  const firstByHand = timeline.find((entry) => !isMove(entry));
  let isIsolated = firstByHand === undefined ? view.isolated > 0 : firstByHand.to === 'released';
  let sinceMs = fromMs;
  const end = (atMs: number) => {
    const untilMs = Math.min(Math.max(atMs, fromMs), toMs);
    if (untilMs > sinceMs)
      segments.push({ state: isIsolated ? 'isolated' : state, fromMs: sinceMs, toMs: untilMs });
    sinceMs = Math.max(sinceMs, untilMs);
  };
  for (const entry of timeline) {
    end(entry.atMs);
    if (isMove(entry)) state = stateName(entry.to, state);
    else isIsolated = entry.to === 'isolated';
  }
  end(toMs);
  return segments;
}

function stateName(name: TimelineEntry['to'], otherwise: CircuitStateName): CircuitStateName {
  return name === 'isolated' || name === 'released' ? otherwise : name;
}

/** A source with its share of the answers. */
export interface Share {
  readonly source: string;
  readonly count: number;
  /** 0 to 1. */
  readonly share: number;
}

const ORDER = ['primary', 'last-good', 'secondary:', '', 'default', 'deferred', 'none'];

/** The order of sources: the best source first, errors last. */
export function sourceRank(source: string): number {
  const exact = ORDER.indexOf(source);
  if (exact >= 0) return exact;
  return source.startsWith('secondary:') ? 2 : 3;
}

/** The answers of the last steps, the best source first. */
export function sharesOf(history: readonly Sample[], steps: number): Share[] {
  const counts = new Map<string, number>();
  let total = 0;
  for (const { answers } of history.slice(-steps)) {
    for (const [source, count] of Object.entries(answers)) {
      counts.set(source, (counts.get(source) ?? 0) + count);
      total += count;
    }
  }
  return [...counts]
    .map(([source, count]) => ({ source, count, share: count / total }))
    .sort((a, b) => sourceRank(a.source) - sourceRank(b.source) || (a.source < b.source ? -1 : 1));
}

/** Calls per second over the last steps; 0 without steps. */
export function rateOf(history: readonly Sample[], steps: number, stepMs: number): number {
  const last = history.slice(-steps);
  if (last.length === 0) return 0;
  return last.reduce((sum, { calls }) => sum + calls, 0) / ((last.length * stepMs) / 1_000);
}

/** The sources of a history, the best first. */
export function sourcesOf(history: readonly Sample[]): string[] {
  const names = new Set<string>();
  for (const { answers } of history) for (const source in answers) names.add(source);
  return [...names].sort((a, b) => sourceRank(a) - sourceRank(b) || (a < b ? -1 : 1));
}

/** The lines of a stacked chart: for each source, the answers per second of it and of all sources before it. */
export function stacked(history: readonly Sample[], sources: readonly string[], stepMs: number): number[][] {
  const below = new Array<number>(history.length).fill(0);
  return sources.map((source) =>
    history.map(({ answers }, index) => {
      const sum = (below[index] ?? 0) + (answers[source] ?? 0) / (stepMs / 1_000);
      below[index] = sum;
      return sum;
    }),
  );
}
