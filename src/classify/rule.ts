import type { Metadata, status } from '@grpc/grpc-js';
import type { Outcome } from './outcome.js';

/** What a rule sees of a finished call. */
export interface FinishedCall {
  /** The status code. */
  readonly code: status;
  /** The first 1,024 UTF-16 units of the status's details. */
  readonly details: string;
  /** The trailers; empty for a status that no server sent. */
  readonly metadata: Metadata;
  /** How long the call took, in milliseconds. */
  readonly durationMs: number;
}

/** One exception to the table: applies when everything that it names matches. */
export interface ClassifyRule {
  /** The status code that it is for. */
  readonly code: status;
  /** Matched against the first 1,024 UTF-16 units of the status's details. */
  readonly details?: RegExp;
  /** A further condition, on the trailers or the duration, say. A condition that throws does not hold, and is reported. */
  readonly when?: (call: FinishedCall) => boolean;
  /** The outcome of such a call. */
  readonly outcome: Outcome;
}

/** How the calls of a method are classified. Rules go first, in order; then LOCAL_RULES, CALLER_RULES and PROXY_RULES; then the table. */
export interface ClassifyOptions {
  /** Overrides single codes of the default table. */
  readonly table?: Readonly<Partial<Record<status, Outcome>>>;
  /** Exceptions to the table, of which the first that matches wins. @default none */
  readonly rules?: readonly ClassifyRule[];
  /**
   * Classifies each message of an answer, for an OK answer that is useless (NaN, an empty tensor, an in-band error).
   * Returns an outcome, or undefined to leave it to the status. An error that it throws is reported, and counts as undefined.
   */
  readonly classifyMessage?: (message: unknown) => Outcome | undefined;
}
