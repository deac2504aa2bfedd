import type { CircuitOptions } from 'failsoft';
import { seededRandom } from 'failsoft/testing';
import { fullSpec } from '../scenario/phases.js';
import { Channel } from './channel.js';
import { Network } from './network.js';
import { SimClient } from './sim-client.js';
import { SimServer } from './sim-server.js';
import { guardedBackoff, type SimContestant } from './strategies.js';
import { VirtualClock } from './virtual-clock.js';

/** A way in which the clients of a herd come back. */
export interface HerdVariant {
  readonly name: string;
  readonly circuit?: CircuitOptions;
}

/** The figures of a herd's return. */
export interface HerdResult {
  readonly clients: number;
  readonly variant: string;
  /** Calls per client and second that reached the dead server's address, or would have: a mean over the outage. */
  readonly triedWhileDown: number;
  /** The most calls that reached the server in a second of its first ten seconds, as a multiple of the usual. */
  readonly rushShare: number;
  /** From the server's return to 95 % answers of the primary; `null` where that did not happen. */
  readonly recoveredMs: number | null;
  /** How often the server died again after its return. */
  readonly secondOutages: number;
  /** The primary's share of the answers to all calls from the server's return to the end. */
  readonly primaryAfter: number;
  /** Per second from the beginning: the primary's share of the answers. */
  readonly course: readonly number[];
}

const CALM_MS = 5_000;
const DOWN_MS = 10_000;
const AFTER_MS = 60_000;
const DEADLINE_MS = 500;
/** The server can do so much more than it is asked for, when it is warm. */
const HEADROOM = 1.5;
const RUSH_SECONDS = 10;

/** The herds that docs/herd.md shows. */
export const HERD_VARIANTS: readonly HerdVariant[] = [
  { name: 'no circuit' },
  { name: 'no jitter, no ramp', circuit: { open: { jitter: 'none' }, recovering: false } },
  { name: 'jitter, no ramp', circuit: { recovering: false } },
  { name: 'ramp, no jitter', circuit: { open: { jitter: 'none' } } },
  { name: 'jitter and ramp (default)', circuit: {} },
  {
    name: 'jitter, ramp, three probes',
    circuit: { halfOpen: { permittedProbes: 3, successThreshold: 2 } },
  },
];

/**
 * Client processes, each with a call per second, lose their server for ten seconds. It comes back cold, a fifth as fast at first and
 * as fast as usual after ten seconds, and dies again when the calls of half a second wait.
 */
export function runHerd(clients: number, variant: HerdVariant, seed: number): HerdResult {
  const clock = new VirtualClock();
  const concurrency = Math.max(1, Math.round(clients * HEADROOM * 0.02));
  const server = new SimServer(
    fullSpec({
      concurrency,
      serviceMs: (concurrency * 1_000) / (clients * HEADROOM),
      maxQueued: clients * 10,
      cold: { multiplier: 5, durationMs: 10_000 },
      dies: { whenQueued: Math.max(5, clients / 2), downMs: 3_000 },
    }),
    clock,
    seededRandom(seed),
    DEADLINE_MS,
  );
  const endMs = CALM_MS + DOWN_MS + AFTER_MS;
  const counts = new Counts(endMs);
  const backoff = variant.circuit && guardedBackoff(variant.circuit);
  const contestant = { ...variant, perModel: false, reserveMs: 0, ...(backoff && { backoff }) };
  for (let index = 0; index < clients; index++) startClient(index, contestant, server, clock, counts, seed);
  clock.setTimer(() => server.kill(DOWN_MS), CALM_MS);
  clock.runUntil(endMs + DEADLINE_MS + 1_000);
  return counts.result(clients, variant, server);
}

function startClient(
  index: number,
  contestant: SimContestant,
  server: SimServer,
  clock: VirtualClock,
  counts: Counts,
  seed: number,
): void {
  const random = seededRandom(seed * 1_000_003 + index);
  const channel = new Channel(server, new Network(clock, random), clock, random, contestant.backoff);
  const client = new SimClient(contestant, channel, clock, random);
  client.onCall = (call) => {
    counts.add(call.atMs, call.end === 'primary', call.sent !== undefined);
    return false;
  };
  const next = () => {
    clock.setTimer(
      () => {
        if (clock.now() >= counts.endMs) return;
        client.call({ ...CALL, id: index });
        next();
      },
      -Math.log(1 - random()) * 1_000,
    );
  };
  next();
}

const CALL = {
  ...{
    atMs: 0,
    model: 'large',
    deadlineMs: DEADLINE_MS,
    bad: false,
    leavesAfterMs: undefined,
    counted: true,
  },
};

/** Calls per second. */
class Counts {
  readonly endMs: number;
  readonly #made: number[];
  readonly #primary: number[];
  readonly #sent: number[];

  constructor(endMs: number) {
    this.endMs = endMs;
    const zeros = () => new Array<number>(endMs / 1_000).fill(0);
    [this.#made, this.#primary, this.#sent] = [zeros(), zeros(), zeros()];
  }

  add(atMs: number, byPrimary: boolean, sent: boolean): void {
    const second = Math.floor(atMs / 1_000);
    this.#made[second] = (this.#made[second] ?? 0) + 1;
    if (byPrimary) this.#primary[second] = (this.#primary[second] ?? 0) + 1;
    if (sent) this.#sent[second] = (this.#sent[second] ?? 0) + 1;
  }

  result(clients: number, { name }: HerdVariant, { deaths, arrivals }: SimServer): HerdResult {
    const back = (CALM_MS + DOWN_MS) / 1_000;
    const course = this.#made.map((made, second) => (made === 0 ? 1 : (this.#primary[second] ?? 0) / made));
    const recovered = course.findIndex((share, second) => second >= back && share >= 0.95);
    const rush = new Array<number>(RUSH_SECONDS).fill(0);
    for (const { atMs } of arrivals) {
      const second = Math.floor(atMs / 1_000) - back;
      if (second >= 0 && second < RUSH_SECONDS) rush[second] = (rush[second] ?? 0) + 1;
    }
    return {
      clients,
      variant: name,
      triedWhileDown: sum(this.#sent.slice(CALM_MS / 1_000, back)) / clients / (DOWN_MS / 1_000),
      rushShare: Math.max(...rush) / clients,
      recoveredMs: recovered < 0 ? null : (recovered - back) * 1_000,
      secondOutages: deaths,
      primaryAfter: sum(this.#primary.slice(back)) / Math.max(1, sum(this.#made.slice(back))),
      course,
    };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
