import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Clock } from '../../clock.js';
import type { Cause } from '../../fallback/strategy.js';
import type { StreamLimits } from '../stream-watch.js';
import type { CallAnswer } from './call-types.js';

/** The answer of a chain, or why it gave no answer. */
export type FallbackResult =
  | {
      /** The fallback's answer. */
      readonly answer: CallAnswer<unknown>;
    }
  | {
      /** Undefined, because no fallback has answered. */
      readonly answer: undefined;
      /** How each fallback failed or declined; undefined if no fallback was asked. */
      readonly story: string | undefined;
      /** Whether the caller's deadline passed while the chain was asked. */
      readonly expired: boolean;
    };

/** A call that an adapter makes under a guard, from `guard.begin()`. Its permit is settled once, whatever the adapter reports. */
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
  /** When the real call must end, so that fallbacks have their reserved time, in milliseconds since the epoch. */
  readonly primaryDeadlineMs: number;
  /** Milliseconds since the call was admitted. */
  readonly elapsedMs: number;
  /** Whether a fallback would be asked if the real call failed now. */
  readonly isReplaceable: boolean;
  /**
   * Call it if the caller's time is over by a limit that the guard did not know, so that it can judge the time-out.
   * @param ms how much time the caller gave, in milliseconds
   */
  hadOnly(ms: number): void;
  /** The outcome of a message by the method's classifier; undefined if the status is to decide. */
  judgeMessage(message: unknown): Outcome | undefined;
  /**
   * Classifies the status of a real call that is over, and settles the permit.
   * @param known the outcome, if something other than the status decides it
   * @param waitedMs how long the caller waited for the server, in milliseconds. @default since the call was admitted
   */
  conclude(received: StatusObject, known?: Outcome, waitedMs?: number): Outcome;
  /** Settles the permit without a status. Does nothing if it is settled. */
  settle(outcome: Outcome, waitedMs: number): void;
  /** Records that the caller gets the primary's own answer or error, which `guard.answers()` counts. */
  gaveOwn(outcome: Outcome, code: StatusObject['code']): void;
  /** Records that the caller has gone while a fallback was asked, which `guard.answers()` does not count. */
  left(cause: Cause): void;
  /**
   * Offers a good answer to strategies that keep answers.
   * @param sent the metadata that were sent; an empty list if they are unknown. @default the caller's
   */
  keep(response: unknown, headers: Metadata | undefined, sent?: readonly Metadata[]): void;
  /** Whether a strategy keeps good answers. */
  readonly keeps: boolean;
  /** The cause of a rejected call's fallback. */
  rejectedCause(): Cause;
  /** The status of a rejected call that no fallback answered, for its caller. */
  rejectedStatus(result?: FallbackResult): StatusObject;
  /**
   * Asks the chain. Never rejects.
   * @param onCancel called with a function that ends the run. Call that function when the caller goes, also when it leaves a
   * streamed answer
   */
  fallBack(cause: Cause, onCancel: (cancel: () => void) => void): Promise<FallbackResult>;
  /** Reports an error of a user's function as a `warning` of the guard. */
  report(error: unknown, source: string): void;
}
