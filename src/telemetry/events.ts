import type { CircuitMode, CircuitStateName } from '../circuit/types.js';

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
  /** When the change was due, in milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
  /** How often it has opened since it was last closed. */
  readonly openings: number;
  /** For how long it will be open, in milliseconds; only when `to` is `open`. */
  readonly openForMs?: number;
  /** Whether the circuit rejects calls, or only reports. */
  readonly mode: CircuitMode;
}

/** A circuit was isolated (handles 0 to 1) or released (1 to 0) by hand. */
export interface IsolationEvent {
  /** The circuit's key. */
  readonly circuitKey: string;
  /** Whether it rejects every call now. */
  readonly isolated: boolean;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** What a circuit reports. An engine calls it after the change; the receiver must not throw. */
export interface CircuitListener {
  /** The circuit changed its state. */
  transition(event: TransitionEvent): void;
  /** The circuit was isolated or released by hand. */
  isolation(event: IsolationEvent): void;
}

/** A fallback answered a call. */
export interface DegradedEvent {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The circuit's key. */
  readonly circuitKey: string;
  /** As `failsoft-source` in the answer's metadata. */
  readonly source: string;
  /** A rejection's reason, a status code's name, or INVALID_ANSWER. */
  readonly cause: string;
  /** The age of a kept answer, in milliseconds; undefined for other answers. */
  readonly ageMs: number | undefined;
  /** Milliseconds since the epoch, by the wall clock. */
  readonly atMs: number;
}

/** A function of the user threw, or its promise was rejected. No call was harmed. */
export interface WarningEvent {
  /** The function: "a listener of 'transition'", "keyBy of /package.Service/Method". */
  readonly source: string;
  /** What was thrown. */
  readonly error: unknown;
  /** How often the function has failed so far, this time included. */
  readonly count: number;
}

/** The events of a guard, by their names. */
export interface GuardEvents {
  /** A circuit changed its state. */
  transition: TransitionEvent;
  /** A circuit was isolated or released by hand. */
  isolation: IsolationEvent;
  /** A caller got an answer that is not the primary's. */
  degraded: DegradedEvent;
  /** A function of the user's threw. */
  warning: WarningEvent;
}
