import type { CircuitMode, CircuitSnapshot, CircuitStateName, RejectionReason } from '../circuit/types.js';
import type { Outcome } from '../classify/outcome.js';
import type { AnswerCause } from './answers.js';
import type { ProbeCount, ProbeKind, TransitionCount } from './counts.js';

/** A circuit changed its state. Sent after the change. */
export interface TransitionEvent {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The state that it was in. */
  readonly from: CircuitStateName;
  /** The state that it is in now. */
  readonly to: CircuitStateName;
  /** The reason; for a trip the rule's name with its figures: "slow-rate 0.83 >= 0.80 over 120 calls". */
  readonly reason: string;
  /** The time at which the change was due, in milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
  /** How often the circuit has opened since it was last closed. */
  readonly openings: number;
  /** For how long the circuit will be open, in milliseconds; only where `to` is `open`. */
  readonly openForMs?: number;
  /** Whether the circuit rejects calls, or only reports. */
  readonly mode: CircuitMode;
}

/** A circuit was isolated (handles 0 to 1) or released (1 to 0) by hand. */
export interface IsolationEvent {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** Whether the circuit rejects every call now. */
  readonly isolated: boolean;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** The functions that an engine calls after a change of a circuit. They must not throw. */
export interface CircuitListener {
  /** Called when the circuit has changed its state. */
  transition(event: TransitionEvent): void;
  /** Called when the circuit was isolated or released by hand. */
  isolation(event: IsolationEvent): void;
}

/** A fallback answered a call. */
export interface DegradedEvent {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The source of the answer, as in `failsoft-source` in its metadata. */
  readonly source: string;
  /** Why a fallback answered: a rejection's reason, a status code's name, or INVALID_ANSWER. */
  readonly cause: string;
  /** The age of a kept answer, in milliseconds; undefined for other answers. */
  readonly ageMs: number | undefined;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A circuit rejected a call. */
export interface RejectedEvent {
  /** `/package.Service/Method`; the name for `guard.execute(name, ...)`. */
  readonly method: string;
  /** The key of the circuit that rejected the call, which may be the parent of the call's own circuit. */
  readonly circuitKey: string;
  /** Why the call was rejected. */
  readonly reason: RejectionReason;
  /** After how long a call may be worth trying again, in milliseconds; 0 where that is not known. */
  readonly retryAfterMs: number;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A guarded call has ended. */
export interface CallEvent {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key. */
  readonly circuitKey: string;
  /**
   * The outcome of the primary; `rejected` for a call that a circuit did not admit, `slow` for a call whose primary was still at work
   * when its caller got an answer (`fallbackAfterMs`).
   */
  readonly outcome: Outcome | 'rejected' | 'slow';
  /** The gRPC status code that the caller got: 0 also for a fallback's answer. */
  readonly status: number;
  /** From the moment when the caller made the call to its end, in milliseconds. */
  readonly durationMs: number;
  /** Where the answer came from, as in {@link AnswerCount}; `none`: the caller got an error, or cancelled. */
  readonly source: string;
  /** Why the primary did not answer; null for its own answers and for errors that are no evidence against the server. */
  readonly cause: AnswerCause | null;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A probe of a circuit, or a readiness check of its server, has ended. */
export interface ProbeEvent {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** The kind of the probe. */
  readonly kind: ProbeKind;
  /** Its outcome, as evidence about the server. */
  readonly outcome: Outcome;
  /** Its duration, in milliseconds. */
  readonly durationMs: number;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A store or a queue of a fallback changed its state. */
export interface StoreEvent {
  /** The name of the strategy that uses it: `last-good` or `deferred`. */
  readonly store: string;
  /** The first method that the strategy was registered for: `/package.Service/Method`. */
  readonly method: string;
  /** `down`: it fails or is too slow; `garbage`: it returns values that were never put there; `full`: a queue takes no more jobs. */
  readonly state: 'ok' | 'down' | 'garbage' | 'full';
  /** The reason, in at most 200 characters; undefined when the state is `ok` again. */
  readonly reason: string | undefined;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A circuit was dropped, because there were too many; see `maxCircuits`. */
export interface EvictedEvent {
  /** The circuit's key. A later call with this key makes a new circuit. */
  readonly circuitKey: string;
  /** Its snapshot at its end. */
  readonly snapshot: CircuitSnapshot;
  /** How often it changed its state. */
  readonly transitions: readonly TransitionCount[];
  /** How its probes ended. */
  readonly probes: readonly ProbeCount[];
}

/** A function of the user threw, or its promise was rejected; or a part of failsoft cannot work as it is set up. No call was harmed. */
export interface WarningEvent {
  /** Names the function: "a listener of 'transition'", "keyBy of /package.Service/Method". */
  readonly source: string;
  /** The thrown value, or a text that tells what to do. */
  readonly error: unknown;
  /** How often the function has failed so far, this time included. */
  readonly count: number;
}

/** The names of {@link GuardEvents}. */
export const GUARD_EVENTS: readonly (keyof GuardEvents)[] = [
  'transition',
  'isolation',
  'rejected',
  'degraded',
  'call',
  'probe',
  'store',
  'secondary',
  'evicted',
  'warning',
];

/** The events of a guard, by their names. */
export interface GuardEvents {
  /** A circuit changed its state. */
  transition: TransitionEvent;
  /** A circuit was isolated or released by hand. */
  isolation: IsolationEvent;
  /** A circuit rejected a call. */
  rejected: RejectedEvent;
  /** A caller got an answer that is not the primary's. */
  degraded: DegradedEvent;
  /** A call has ended. */
  call: CallEvent;
  /** A probe or a readiness check has ended. */
  probe: ProbeEvent;
  /** A store or a queue of a fallback changed its state. */
  store: StoreEvent;
  /** The circuit that a fallback has around its own calls changed its state. */
  secondary: TransitionEvent;
  /** A circuit was dropped. */
  evicted: EvictedEvent;
  /** A function of the user threw, or its promise was rejected. */
  warning: WarningEvent;
}
