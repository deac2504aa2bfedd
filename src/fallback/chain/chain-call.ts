import type { Clock } from '../../clock.js';
import type { CallFacts, ParentCall } from '../strategy.js';

/** Why a call ends before its fallback answered: the caller cancelled it, or its deadline passed. */
export type AbortCause = 'cancelled' | 'deadline';

/** A call that a chain is to answer. Facts that are costly to make are getters. */
export interface ChainCall extends CallFacts<unknown> {
  /** What is left now, in milliseconds; Infinity without a deadline, 0 when it is over. */
  readonly remainingMs: number;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  readonly deadlineMs: number;
  readonly parent: ParentCall | undefined;
  readonly clock: Clock;
  /**
   * Has `listener` called once when the call ends early; at once when it already has.
   *
   * On `deadline` the chain still settles within that turn's microtasks: strategies that answer synchronously are
   * asked, and may save the call. Wait for the chain's result before giving the caller DEADLINE_EXCEEDED.
   * @returns takes the listener away again
   */
  onAbort(listener: (cause: AbortCause) => void): () => void;
}
