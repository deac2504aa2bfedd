import type { Metadata, status } from '@grpc/grpc-js';
import type { Outcome } from './outcome.js';

/** The facts of a finished call that a rule may use. */
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

/** An exception to the table. It applies if its `code`, its `details` and its `when` all match. */
export interface ClassifyRule {
  /** The status code to which the rule applies. */
  readonly code: status;
  /** Matched against the first 1,024 UTF-16 units of the status's details. The flags g and y are refused. @default any details */
  readonly details?: RegExp;
  /** A further condition, for example on the trailers. If it throws, the rule does not apply and the error is reported. @default none */
  readonly when?: (call: FinishedCall) => boolean;
  /** The outcome of such a call. */
  readonly outcome: Outcome;
}

/**
 * How the calls of a method are classified: first by `rules`, in order; then by `LOCAL_RULES`, `CALLER_RULES` and `PROXY_RULES`; then by
 * the table.
 */
export interface ClassifyOptions {
  /** Overrides single codes of `DEFAULT_TABLE`. @default no code */
  readonly table?: Readonly<Partial<Record<status, Outcome>>>;
  /** Exceptions to the table; the first that matches wins. @default none */
  readonly rules?: readonly ClassifyRule[];
  /**
   * Classifies each message of an answer: an answer with the status OK may still be useless (NaN, an empty tensor, an in-band
   * error). Returns an outcome, or undefined to let the status decide. If it throws, the error is reported and the status
   * decides. @default none
   */
  readonly classifyMessage?: (message: unknown) => Outcome | undefined;
}
