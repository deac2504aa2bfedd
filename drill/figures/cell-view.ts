import type { CallEnd, CallRecord } from '../client/messages.js';
import type { BreakerState } from '../contestants/contestant.js';
import type { CellRecord } from '../run/cell.js';
import type { Phases } from '../scenario/phases.js';
import { Health } from './health.js';

/** One call, seen from both sides. Times are milliseconds from the trigger. */
export interface SeenCall {
  readonly atMs: number;
  readonly tookMs: number;
  readonly end: CallEnd;
  readonly sent: BreakerState | undefined;
  readonly counted: boolean;
  /** How often it reached a primary server: more than once with retries. */
  readonly reached: number;
  /** The probability that a call made then would have been answered. */
  readonly chance: number;
}

/** A breaker opened. */
export interface Trip {
  readonly atMs: number;
  /** Whether it opened although no server had been unwell. */
  readonly isFalse: boolean;
}

/** A cell from both sides. The starts of a cold client are laid over each other. */
export interface CellView {
  readonly phases: Phases;
  readonly calls: readonly SeenCall[];
  readonly trips: readonly Trip[];
  readonly peakInFlight: number;
  /** The longest time for which the machine let a healthy server wait. */
  readonly disturbedMs: number;
}

/** Puts the records of clients and servers together. */
export function viewOf(record: CellRecord, phases: Phases, models: readonly string[]): CellView {
  const health = new Health(record.servers, models);
  const calls: SeenCall[] = [];
  const trips: Trip[] = [];
  const arrivals = record.servers.flatMap((server) => server.arrivals).sort((a, b) => a.atMs - b.atMs);
  let next = 0;
  for (const client of record.clients) {
    const endMs = client.calls.reduce((end, call) => Math.max(end, endOf(call)), client.triggerAtMs);
    // Each start counts its calls from 0, and ends before the next one begins.
    const reached = new Map<number, number>();
    for (let arrival = arrivals[next]; arrival && (arrival.atMs <= endMs || isLast(client)); ) {
      reached.set(arrival.id, (reached.get(arrival.id) ?? 0) + 1);
      arrival = arrivals[++next];
    }
    for (const call of client.calls) {
      const { id, atMs, model, ...seen } = call;
      const chance = health.chance(atMs, model);
      calls.push({ ...seen, atMs: atMs - client.triggerAtMs, reached: reached.get(id) ?? 0, chance });
    }
    for (const { atMs, to } of client.states)
      if (to === 'open') trips.push({ atMs: atMs - client.triggerAtMs, isFalse: health.wasWellBefore(atMs) });
  }
  return {
    phases,
    calls: calls.sort((a, b) => a.atMs - b.atMs),
    trips,
    peakInFlight: health.peakInFlight,
    disturbedMs: health.longestSilenceMs,
  };

  function isLast(client: unknown): boolean {
    return client === record.clients.at(-1);
  }
}

function endOf({ atMs, tookMs }: CallRecord): number {
  return atMs + tookMs;
}
