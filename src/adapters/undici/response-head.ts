import type { Outcome } from '../../classify/outcome.js';
import { checkOutcome } from '../http/judge.js';
import type { UndiciHeaders } from './headers.js';

/** The head of a response. */
export interface ResponseHead {
  readonly statusCode: number;
  /** The headers, with names in lower case. */
  readonly headers: UndiciHeaders;
}

/** Returns the outcome of a response by its head, or undefined where the status is to decide. */
export type ClassifyHead = (head: ResponseHead) => Outcome | undefined;

/** The outcome that the user's function gives; undefined where it gives none. Never throws. */
export function judgeHead(
  classify: ClassifyHead | undefined,
  head: ResponseHead,
  report: (error: unknown) => void,
): Outcome | undefined {
  if (classify === undefined) return undefined;
  try {
    return checkOutcome('classifyHead', classify(head));
  } catch (error) {
    report(error);
    return undefined;
  }
}
