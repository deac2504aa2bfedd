import type { Clock } from '../../clock.js';
import type { CallFacts, ParentCall } from '../strategy.js';

/** Why a call ends before its fallback answered: the caller cancelled it, or its deadline passed. */
export type AbortCause = 'cancelled' | 'deadline';

/** A call that a chain is asked to answer. Facts that are expensive to compute are getters. */
export interface ChainCall extends CallFacts<unknown> {
  /** The time left until the deadline, in milliseconds; Infinity without a deadline, 0 after it. */
  readonly remainingMs: number;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  readonly deadlineMs: number;
  readonly parent: ParentCall | undefined;
  readonly clock: Clock;
  /**
   * Calls `listener` once, when the call ends early; within this function, if it has ended already.
   *
   * On `deadline` the chain still settles within that turn's microtasks: strategies that answer synchronously are asked, and
   * may answer. Wait for the chain's result before giving the caller DEADLINE_EXCEEDED.
   * @returns a function that removes the listener
   */
  onAbort(listener: (cause: AbortCause) => void): () => void;
}
