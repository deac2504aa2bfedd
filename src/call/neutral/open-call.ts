import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Clock } from '../../clock.js';
import type { Cause } from '../../fallback/strategy.js';
import type { StreamLimits } from '../stream-watch.js';
import type { CallAnswer } from './call-types.js';

/** The answer of a chain, or why there is none. */
export type FallbackResult =
  | {
      /** The fallback's answer. */
      readonly answer: CallAnswer<unknown>;
    }
  | {
      /** No fallback has answered. */
      readonly answer: undefined;
      /** How each fallback failed; undefined where none was asked. */
      readonly story: string | undefined;
      /** Whether the caller's deadline has passed meanwhile. */
      readonly expired: boolean;
    };

/** A call that an adapter makes under a guard: `guard.begin()`. Its permit is settled once, whatever is reported. */
export interface OpenCall {
  /** The guard's clock. */
  readonly clock: Clock;
  /** The method's time limits for streams. */
  readonly limits: StreamLimits;
  /** The circuit's key. */
  readonly circuitKey: string;
  /** Undefined for an admitted call. */
  readonly rejection: Rejection | undefined;
  /** Whether the call is a probe of a half-open circuit. */
  readonly isProbe: boolean;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  readonly deadlineMs: number;
  /** When the real call must end, so that fallbacks have their reserved time; milliseconds since the epoch. */
  readonly primaryDeadlineMs: number;
  /** Milliseconds since the call was admitted. */
  readonly elapsedMs: number;
  /** Whether a fallback would be asked if the real call failed now. */
  readonly isReplaceable: boolean;
  /** The caller's time is over, and the guard had not known its limit. */
  hadOnly(ms: number): void;
  /** The outcome of a message by the method's classifier; undefined where the classifier leaves it to the status. */
  judgeMessage(message: unknown): Outcome | undefined;
  /**
   * Classifies the status of a real call that is over, and settles the permit.
   * @param known the outcome, where it is known by other means than the status
   * @param waitedMs how long the caller waited for the server. @default since the call was admitted
   */
  conclude(received: StatusObject, known?: Outcome, waitedMs?: number): Outcome;
  /** Settles the permit, unless it is settled. */
  settle(outcome: Outcome, waitedMs: number): void;
  /** The caller gets the primary's own answer or error: counted in `guard.answers()`. */
  gaveOwn(outcome: Outcome, code: StatusObject['code']): void;
  /** The caller has gone while a fallback was asked: not counted in `guard.answers()`. */
  left(cause: Cause): void;
  /** Offers a good answer to strategies that keep answers. */
  keep(response: unknown, headers: Metadata | undefined, sent?: Metadata): void;
  /** Whether a strategy keeps good answers. */
  readonly keeps: boolean;
  /** The cause of a rejected call's fallback. */
  rejectedCause(): Cause;
  /** The status of a rejected call that no fallback answered, for its caller. */
  rejectedStatus(result?: FallbackResult): StatusObject;
  /**
   * Asks the chain. Never rejects.
   * @param onCancel gets a function that ends the run: the caller has gone. It is to be called also when a streamed answer is left
   */
  fallBack(cause: Cause, onCancel: (cancel: () => void) => void): Promise<FallbackResult>;
  /** Reports an error of a user's function as a `warning` of the guard. */
  report(error: unknown, source: string): void;
}
