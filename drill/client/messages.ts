import type { BreakerState } from '../contestants/contestant.js';

/** With what a client process is told to begin. */
export interface ClientStart {
  readonly contestant: string;
  readonly scenario: string;
  readonly quick: boolean;
  readonly seed: number;
  /** The primary servers. */
  readonly target: string;
  readonly secondary: string;
  /** When things begin to go wrong, by {@link machineMs}. */
  readonly triggerAtMs: number;
}

export type ClientNotice =
  /** Its code is loaded: it can begin at once. */
  { readonly kind: 'ready' } | { readonly kind: 'done'; readonly record: ClientRecord };

/** What a client has seen. Times are those of {@link machineMs}. */
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
  /** Whether it was sent towards the primary, and in which state of the breaker that was. */
  readonly sent: BreakerState | undefined;
  /** Whether shares count it. */
  readonly counted: boolean;
}

/**
 * How a call ended. `left`: its caller did not wait. `late`: its deadline was over. A bad request that the server refused is answered by
 * the primary.
 */
export type CallEnd = 'primary' | 'degraded' | 'error' | 'late' | 'left';

/** A breaker changed its state. */
export interface StateChange {
  readonly atMs: number;
  readonly to: BreakerState;
}
