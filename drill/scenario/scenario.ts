import type { Trouble } from '../server/trouble.js';

// The language of the drills. A scenario is data: the callers, the servers, and the faults with their times. It runs on the wire and in
// the simulator. Times are milliseconds from the moment at which things start to go wrong.

/** One drill. */
export interface Scenario {
  readonly name: string;
  /** What happens, in one sentence. */
  readonly story: string;
  /** The differences between a good and a bad client here: the reasons behind the figures. */
  readonly lesson: string;
  readonly traffic: Traffic;
  /** @default one server with the defaults of {@link ServerSpec} */
  readonly servers?: ServerSpec;
  readonly faults: readonly Fault[];
  /** How long things go wrong. */
  readonly faultMs: number;
  /** The same for `--quick`. @default faultMs */
  readonly quickFaultMs?: number;
  /** How long all is well before the trouble. @default 3000 */
  readonly calmMs?: number;
  /** How long calls go on after the trouble. @default 8000 */
  readonly afterMs?: number;
  /** The same for `--quick`. @default afterMs, 5000 at most */
  readonly quickAfterMs?: number;
  /** The number of fresh client processes that go through the whole scenario, one after the other. @default 1 */
  readonly starts?: number;
  /** The same for `--quick`. @default starts */
  readonly quickStarts?: number;
  /** Whether the harness first checks that the servers have the capacity of their specification. @default false */
  readonly assertCapacity?: boolean;
  /** The most cells of it that run side by side, for a scenario whose figures depend on the processor. @default `--parallel` */
  readonly sideBySide?: number;
}

/** The calls of the callers. */
export interface Traffic {
  /** Calls per second, at times drawn from the seed (a Poisson process). */
  readonly perSecond: number;
  readonly deadlineMs: number;
  /** A stream asks for {@link STREAM_MESSAGES} messages. @default 'unary' */
  readonly kind?: 'unary' | 'stream';
  /** A factor on the rate, for a while. */
  readonly changes?: readonly { readonly atMs: number; readonly untilMs: number; readonly factor: number }[];
  /** Additional calls at one moment. */
  readonly bursts?: readonly { readonly atMs: number; readonly calls: number }[];
  /** Callers that differ from the others. */
  readonly callers?: readonly CallerGroup[];
}

/** A share of the callers whose calls differ for a while. */
export interface CallerGroup {
  readonly share: number;
  readonly atMs?: number;
  readonly untilMs?: number;
  /** Calls with this deadline are counted in no share: the figures are those of the other callers. */
  readonly deadlineMs?: number;
  /** The time after which these callers leave. Their calls are counted in no share. */
  readonly leavesAfterMs?: number;
  /** Whether their requests must be refused by the server: INVALID_ARGUMENT is the right answer. */
  readonly bad?: boolean;
}

/** The primary servers, which are all alike. */
export interface ServerSpec {
  /** The number of servers, behind one round_robin client. @default 1 */
  readonly count?: number;
  /** The models, which callers ask in turn. @default ['large'] */
  readonly models?: readonly string[];
  /** The working time of a call: the median of a lognormal distribution. @default 20 */
  readonly serviceMs?: number;
  /** The most calls that run at a time. @default 64 */
  readonly concurrency?: number;
  /** The most calls that wait; further calls are answered RESOURCE_EXHAUSTED. @default 1000 */
  readonly maxQueued?: number;
  /**
   * A process that has just started is slower: by the factor `multiplier` at first, and as fast as usual `durationMs` after
   * its first call.
   */
  readonly cold?: { readonly multiplier: number; readonly durationMs: number };
  /** The process dies when `whenQueued` calls wait, and is back, cold, after `downMs`. */
  readonly dies?: { readonly whenQueued: number; readonly downMs: number };
  /** @default false */
  readonly tls?: boolean;
}

/** What goes wrong. `server` is the index of a primary server, 0 where it is left out, or the secondary. */
export type Fault =
  /** SIGKILL; a new process listens on the same port at `backAtMs`. */
  | { readonly kind: 'kill'; readonly server?: number; readonly atMs: number; readonly backAtMs: number }
  /** A graceful stop: the server takes no new calls, and finishes its running calls; a new process at `backAtMs`. */
  | { readonly kind: 'drain'; readonly server?: number; readonly atMs: number; readonly backAtMs: number }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'stop'; readonly server?: number; readonly atMs: number; readonly untilMs: number }
  | {
      readonly kind: 'trouble';
      readonly server?: number | 'secondary';
      /** @default every model */
      readonly model?: string;
      readonly atMs: number;
      /** @default the end of the trouble */
      readonly untilMs?: number;
      readonly trouble: Trouble;
    }
  /** Every connection is reset once, when `whenInFlight` calls are in flight. */
  | { readonly kind: 'reset'; readonly server?: number; readonly atMs: number; readonly whenInFlight: number }
  /** Every connection is reset at the age of `everyMs`, as some load balancers do. */
  | { readonly kind: 'resets'; readonly server?: number; readonly everyMs: number }
  /** The client's event loop is blocked. */
  | { readonly kind: 'client-stall'; readonly atMs: number; readonly forMs: number }
  /** The client's wall clock jumps. */
  | { readonly kind: 'clock-step'; readonly atMs: number; readonly byMs: number };

/** The number of answers that a stream asks for. */
export const STREAM_MESSAGES = 3;
/** Answers that come within this time are fast, in milliseconds. */
export const FAST_MS = 100;
