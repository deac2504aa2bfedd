import { seededRandom } from 'failsoft/testing';
import { fullSpec, type Phases } from './phases.js';
import type { CallerGroup, Scenario } from './scenario.js';

/** One call to make. */
export interface PlannedCall {
  readonly id: number;
  readonly atMs: number;
  readonly model: string;
  readonly deadlineMs: number;
  /** Whether its request must be refused by the server. */
  readonly bad: boolean;
  /** The time after which the caller leaves, in milliseconds. */
  readonly leavesAfterMs: number | undefined;
  /** Whether the shares count it. */
  readonly counted: boolean;
}

/** Every call of a drill in the order of time. The same scenario and seed give every contestant the same calls. */
export function planTraffic(scenario: Scenario, phases: Phases, seed: number): PlannedCall[] {
  const random = seededRandom(seed);
  const { models } = fullSpec(scenario.servers);
  const times = arrivals(scenario, phases, random);
  return times.map((atMs, id) => {
    const group = groupAt(scenario.traffic.callers ?? [], atMs, random());
    return {
      id,
      atMs,
      model: models[id % models.length] ?? '',
      deadlineMs: group?.deadlineMs ?? scenario.traffic.deadlineMs,
      bad: group?.bad ?? false,
      leavesAfterMs: group?.leavesAfterMs,
      counted: group?.deadlineMs === undefined && group?.leavesAfterMs === undefined,
    };
  });
}

function arrivals({ traffic }: Scenario, phases: Phases, random: () => number): number[] {
  const { perSecond, changes = [], bursts = [] } = traffic;
  const endMs = phases.faultMs + phases.afterMs;
  const times: number[] = [];
  // The times are drawn at the highest rate and thinned out, so that a change of rate takes effect at its moment.
  const highest = Math.max(1, ...changes.map(({ factor }) => factor));
  for (let at = -phases.calmMs; ; ) {
    at += (-Math.log(1 - random()) * 1_000) / (perSecond * highest);
    if (at >= endMs) break;
    const factor = changes.find(({ atMs, untilMs }) => atMs <= at && at < untilMs)?.factor ?? 1;
    if (random() * highest < factor) times.push(at);
  }
  for (const { atMs, calls } of bursts) for (let n = 0; n < calls; n++) times.push(atMs);
  return times.sort((a, b) => a - b);
}

function groupAt(groups: readonly CallerGroup[], atMs: number, drawn: number): CallerGroup | undefined {
  let below = 0;
  for (const group of groups) {
    below += group.share;
    const { atMs: from = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY } = group;
    if (drawn < below) return from <= atMs && atMs < untilMs ? group : undefined;
  }
  return undefined;
}
