import type { CircuitOptions } from '../../../circuit/types.js';
import { countdown, duration, latency, percent, several } from './format.js';
import { shown, sourceName } from './names.js';
import type { CircuitView, TimelineEntry } from './protocol.js';
import type { Share } from './series.js';
import type { CircuitState } from './state.js';

/** `all 20 calls`, `half of 20 calls`, `62 % of 20 calls`. */
export function shareOf(share: number, count: number): string {
  if (count === 0) return 'none of the calls';
  if (share === 1) return `all ${several(count, 'call')}`;
  if (Math.abs(share - 0.5) < 0.005) return `half of ${several(count, 'call')}`;
  return `${percent(share)} of ${several(count, 'call')}`;
}

/** The reason of a transition in words. An unknown reason stays as it is. */
export function reasonInWords(reason: string): string {
  let match = /^failure-rate ([\d.]+) >= [\d.]+ over (\d+) calls$/.exec(reason);
  if (match) return `${shareOf(Number(match[1]), Number(match[2]))} failed`;
  match = /^slow-rate ([\d.]+) >= [\d.]+ over (\d+) calls$/.exec(reason);
  if (match) return `${shareOf(Number(match[1]), Number(match[2]))} were slow`;
  match = /^consecutive-failures (\d+) >= \d+$/.exec(reason);
  if (match) return `${several(Number(match[1]), 'call')} in a row failed`;
  match = /^latency-percentile p([\d.]+) over ([\d.]+) ms: (\d+) of (\d+) calls took longer$/.exec(reason);
  if (match)
    return `p${match[1]} is over ${latency(Number(match[2]))}: ${match[3]} of ${match[4]} calls took longer`;
  match = /^adaptive (.*)$/.exec(reason);
  if (match) return shown(match[1] ?? '');
  return shown(reason);
}

/** The word for the state of a circuit. */
export function stateWord({ state, isolated, mode }: CircuitView): string {
  if (mode === 'off') return 'off';
  if (isolated > 0) return 'isolated';
  return state;
}

/** The entry with which the present outage began: the circuit has not been closed since. */
export function outageOf({ view, timeline }: CircuitState): TimelineEntry | undefined {
  if (view.state === 'closed') return undefined;
  let first: TimelineEntry | undefined;
  for (let index = timeline.length - 1; index >= 0; index--) {
    const entry = timeline[index];
    if (entry?.to === 'closed') break;
    if (entry?.to === 'open') first = entry;
  }
  return first;
}

/** The time since which a circuit is in trouble, in milliseconds since the epoch. */
export function troubleSince(circuit: CircuitState): number {
  if (circuit.view.isolated > 0) {
    const byHand = circuit.timeline.findLast(({ to }) => to === 'isolated');
    if (byHand) return byHand.atMs;
  }
  return outageOf(circuit)?.atMs ?? circuit.view.sinceMs;
}

/** Why a circuit is in trouble; empty where its figures show no reason. */
export function causeOf(circuit: CircuitState): string {
  const { view } = circuit;
  if (view.isolated > 0) return 'isolated by hand';
  const reason = outageOf(circuit)?.reason ?? view.lastTrip?.reason;
  if (view.state === 'closed' || reason === undefined) {
    const { unhealthy, calls, failureRate } = view.window;
    return unhealthy > 0 ? `${shareOf(failureRate, calls)} failed` : '';
  }
  return reasonInWords(reason);
}

/** The time of the next check or probe of an open circuit, in milliseconds since the epoch; null in other states. */
export function nextLookMs({ state, openUntilMs, nextCheckAtMs, isolated }: CircuitView): number | null {
  if (state !== 'open' || isolated > 0) return null;
  const known = [openUntilMs, nextCheckAtMs].filter((atMs) => atMs !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** The next event for a circuit in trouble, in words. */
export function nextInWords(view: CircuitView, nowMs: number): string {
  if (view.isolated > 0) return 'until it is released';
  switch (view.state) {
    case 'open': {
      const atMs = nextLookMs(view);
      if (atMs === null) return '';
      const next = atMs === view.nextCheckAtMs ? 'next check' : 'next probe';
      if (atMs > nowMs) return `${next} in ${countdown(atMs - nowMs)}`;
      return next === 'next check' ? 'a check is on its way' : 'next probe with the next call';
    }
    case 'half-open':
      return view.inFlight > 0 ? 'a probe is on its way' : 'the next call is the probe';
    case 'recovering':
      return 'it gets a growing share of the calls';
    case 'closed':
      return '';
  }
}

/** `last-good 41 %, small 46 %, default 13 %`. */
export function sharesInWords(shares: readonly Share[]): string {
  return shares.map(({ source, share }) => `${sourceName(source)} ${percent(share)}`).join(', ');
}

/** What is wrong with a circuit, in a sentence without its name. */
export function troubleInWords(circuit: CircuitState, shares: readonly Share[], nowMs: number): string {
  const { view } = circuit;
  const parts: string[] = [];
  const word = view.mode === 'observe' && view.state === 'open' ? 'would be open' : stateWord(view);
  const cause = causeOf(circuit);
  if (view.state === 'closed' && view.isolated === 0) parts.push(cause || 'callers get fallbacks');
  else parts.push(`${word} since ${duration(nowMs - troubleSince(circuit))}${cause && `, ${cause}`}`);
  if (view.openings > 1 && view.state !== 'closed') parts.push(`opened ${view.openings} times`);
  const next = nextInWords(view, nowMs);
  if (next !== '') parts.push(next);
  if (shares.length > 0) parts.push(`callers get ${sharesInWords(shares)}`);
  return parts.join('; ');
}

/** A line of the timeline. */
export function moveInWords({ from, to, reason, openForMs, mode }: TimelineEntry): string {
  if (to === 'isolated' || to === 'released') return reasonInWords(reason);
  const until = openForMs === null ? '' : `, for ${countdown(openForMs)}`;
  const only = mode === 'observe' ? ' (observe: nothing is rejected)' : '';
  return `${from} to ${to}: ${reasonInWords(reason)}${until}${only}`;
}

/** The limits that the charts show, from the trip rules. */
export interface Limits {
  /** The duration above which a call is slow, in milliseconds; null without such a rule. */
  readonly latencyMs: number | null;
  /** The failure rate that opens the circuit, 0 to 1; null without such a rule. */
  readonly failureRate: number | null;
}

export function limitsOf(options: CircuitOptions | null | undefined): Limits {
  let latencyMs: number | null = null;
  let failureRate: number | null = null;
  const trip: unknown = options?.trip;
  for (const rule of Array.isArray(trip) ? trip : []) {
    if (typeof rule !== 'object' || rule === null) continue;
    const { threshold, thresholdMs, slowThresholdMs, rule: name } = rule;
    const slow = [thresholdMs, slowThresholdMs].find((value) => typeof value === 'number');
    if (slow !== undefined) latencyMs = Math.min(latencyMs ?? slow, slow);
    if (name === 'failure-rate' && typeof threshold === 'number') failureRate = threshold;
  }
  return { latencyMs, failureRate };
}
