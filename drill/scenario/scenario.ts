import type { Trouble } from '../server/trouble.js';

// The language of the drills. A scenario is data: what callers do, what the servers are, and what goes wrong when. It runs on the wire
// and in the simulator. Times are milliseconds from the moment at which things start to go wrong.

/** One drill. */
export interface Scenario {
  readonly name: string;
  /** What happens, in one sentence. */
  readonly story: string;
  /** What separates a good client from a bad one here: the reasons behind the figures. */
  readonly lesson: string;
  readonly traffic: Traffic;
  /** @default one server with the defaults of {@link ServerSpec} */
  readonly servers?: ServerSpec;
  readonly faults: readonly Fault[];
  /** How long things go wrong. */
  readonly faultMs: number;
  /** The same for `--quick`. @default faultMs */
  readonly quickFaultMs?: number;
  /** How long all is well before. @default 3000 */
  readonly calmMs?: number;
  /** How long it is watched afterwards. @default 8000 */
  readonly afterMs?: number;
  /** The same for `--quick`. @default afterMs, 5000 at most */
  readonly quickAfterMs?: number;
  /** So many fresh client processes, one after the other, each with the whole scenario. @default 1 */
  readonly starts?: number;
  /** The same for `--quick`. @default starts */
  readonly quickStarts?: number;
  /** The harness first checks that the servers answer as many calls per second as their specification says. @default false */
  readonly assertCapacity?: boolean;
  /** So many of its cells run side by side at most: its figures are about the processor. @default as many as `--parallel` says */
  readonly sideBySide?: number;
}

/** What callers do. */
export interface Traffic {
  /** Calls per second, at times drawn from the seed (a Poisson process). */
  readonly perSecond: number;
  readonly deadlineMs: number;
  /** A stream asks for {@link STREAM_MESSAGES} messages. @default 'unary' */
  readonly kind?: 'unary' | 'stream';
  /** The rate's factor for a while. */
  readonly changes?: readonly { readonly atMs: number; readonly untilMs: number; readonly factor: number }[];
  /** So many calls more in one moment. */
  readonly bursts?: readonly { readonly atMs: number; readonly calls: number }[];
  /** Callers that differ from the others. */
  readonly callers?: readonly CallerGroup[];
}

/** A share of the callers that does something else for a while. */
export interface CallerGroup {
  readonly share: number;
  readonly atMs?: number;
  readonly untilMs?: number;
  /** Calls with this deadline are counted in no share: the figures are those of the other callers. */
  readonly deadlineMs?: number;
  /** They leave so long after the call. Their calls are counted in no share. */
  readonly leavesAfterMs?: number;
  /** They send what the server must refuse: INVALID_ARGUMENT is the right answer. */
  readonly bad?: boolean;
}

/** The primary servers; all alike. */
export interface ServerSpec {
  /** Behind one round_robin client. @default 1 */
  readonly count?: number;
  /** Callers ask them in turn. @default ['large'] */
  readonly models?: readonly string[];
  /** How long one call is worked on: the median of a lognormal distribution. @default 20 */
  readonly serviceMs?: number;
  /** How many calls are worked on at a time. @default 64 */
  readonly concurrency?: number;
  /** How many wait; a call beyond that is answered RESOURCE_EXHAUSTED. @default 1000 */
  readonly maxQueued?: number;
  /** A process that has just started is slower: by `multiplier` at first, and as usual after `durationMs` of being called. */
  readonly cold?: { readonly multiplier: number; readonly durationMs: number };
  /** The process dies when so many calls wait, and is back (cold) after `downMs`. */
  readonly dies?: { readonly whenQueued: number; readonly downMs: number };
  /** @default false */
  readonly tls?: boolean;
}

/** What goes wrong. `server` is the index of a primary server, 0 where it is left out, or the secondary. */
export type Fault =
  /** SIGKILL; a new process listens on the same port at `backAtMs`. */
  | { readonly kind: 'kill'; readonly server?: number; readonly atMs: number; readonly backAtMs: number }
  /** SIGTERM as a good server takes it: no new calls, those under way are finished; a new process at `backAtMs`. */
  | { readonly kind: 'drain'; readonly server?: number; readonly atMs: number; readonly backAtMs: number }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'stop'; readonly server?: number; readonly atMs: number; readonly untilMs: number }
  | {
      readonly kind: 'trouble';
      readonly server?: number | 'secondary';
      /** @default every model */
      readonly model?: string;
      readonly atMs: number;
      /** @default as long as things go wrong */
      readonly untilMs?: number;
      readonly trouble: Trouble;
    }
  /** Every connection is reset, once so many calls are in flight. */
  | { readonly kind: 'reset'; readonly server?: number; readonly atMs: number; readonly whenInFlight: number }
  /** Every connection is reset when it is so old, as some load balancers do. */
  | { readonly kind: 'resets'; readonly server?: number; readonly everyMs: number }
  /** The client's event loop stands still. */
  | { readonly kind: 'client-stall'; readonly atMs: number; readonly forMs: number }
  /** The client's wall clock jumps. */
  | { readonly kind: 'clock-step'; readonly atMs: number; readonly byMs: number };

/** How many answers a stream asks for. */
export const STREAM_MESSAGES = 3;
/** Answers that come within this are fast. */
export const FAST_MS = 100;
