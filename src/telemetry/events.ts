import type { CircuitMode, CircuitStateName } from '../circuit/types.js';

/** A circuit changed its state. Sent after the change. */
export interface TransitionEvent {
  readonly circuit: string;
  readonly from: CircuitStateName;
  readonly to: CircuitStateName;
  /** Which rule fired, with its figures: "slow-rate 0.83 >= 0.80 over 120 calls". */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** How often it opened since it was last fully recovered. */
  readonly attempt: number;
  /** For how long it will be open; only when `to` is `open`. */
  readonly openForMs?: number;
  readonly mode: CircuitMode;
}

/** A circuit was isolated (handles 0 to 1) or released (1 to 0) by hand. */
export interface IsolationEvent {
  readonly circuit: string;
  readonly isolated: boolean;
  readonly atMs: number;
}

/** What a circuit tells. An engine calls it after the change; the receiver must not throw. */
export interface CircuitListener {
  transition(event: TransitionEvent): void;
  isolation(event: IsolationEvent): void;
}

/** A caller was given an answer that is not the primary's. */
export interface DegradedEvent {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly circuit: string;
  /** As `failsoft-source` in the answer's metadata. */
  readonly source: string;
  /** A rejection's reason, a status code's name, or INVALID_ANSWER. */
  readonly cause: string;
  /** How old the answer is, where it was kept. */
  readonly ageMs: number | undefined;
  readonly atMs: number;
}

/** What `guard.on()` can listen to. */
export interface GuardEvents {
  transition: TransitionEvent;
  isolation: IsolationEvent;
  degraded: DegradedEvent;
}
