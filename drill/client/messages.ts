import type { BreakerState } from '../contestants/contestant.js';

/** The message with which a client process begins. */
export interface ClientStart {
  readonly contestant: string;
  readonly scenario: string;
  readonly quick: boolean;
  readonly seed: number;
  /** The primary servers. */
  readonly target: string;
  readonly secondary: string;
  /** The time at which things begin to go wrong, by {@link machineMs}. */
  readonly triggerAtMs: number;
}

export type ClientNotice =
  /** Its code is loaded: it can begin at once. */
  { readonly kind: 'ready' } | { readonly kind: 'done'; readonly record: ClientRecord };

/** The record of a client. Its times are those of {@link machineMs}. */
export interface ClientRecord {
  readonly triggerAtMs: number;
  readonly calls: readonly CallRecord[];
  readonly states: readonly StateChange[];
}

/** One call as its caller saw it. */
export interface CallRecord {
  readonly id: number;
  readonly atMs: number;
  readonly model: string;
  readonly tookMs: number;
  readonly end: CallEnd;
  /** The breaker's state when the call was sent to the primary; undefined where it was not sent. */
  readonly sent: BreakerState | undefined;
  /** Whether the shares count it. */
  readonly counted: boolean;
}

/**
 * How a call ended. `left`: its caller did not wait. `late`: its deadline passed. A bad request that the server refuses counts as
 * `primary`.
 */
export type CallEnd = 'primary' | 'degraded' | 'error' | 'late' | 'left';

/** A breaker changed its state. */
export interface StateChange {
  readonly atMs: number;
  readonly to: BreakerState;
}
