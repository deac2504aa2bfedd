import { cut } from '../text.js';

/** Why the primary did not answer a call: it was rejected, it failed, or it was too slow. */
export type AnswerCause = 'rejected' | 'failed' | 'slow';

/** How many calls of a circuit were answered from a source, for a cause. */
export interface AnswerCount {
  /** The circuit's key; null for the sum of the method's circuits that were evicted. */
  readonly circuitKey: string | null;
  /** `/package.Service/Method` */
  readonly method: string;
  /**
   * `primary`, the source of a fallback's answer as in `failsoft-source`, or `none`: the caller got an error. A circuit has counts of
   * its own for at most 16 sources; further sources are counted together as `other`.
   */
  readonly source:
    | 'primary'
    | 'last-good'
    | `secondary:${string}`
    | 'default'
    | 'deferred'
    | 'none'
    | (string & {});
  /**
   * Why the primary did not answer; null for its own answers, and for errors that are no evidence against the server (the outcomes
   * `caller-error` and `ignored`).
   */
  readonly cause: AnswerCause | null;
  /** Never falls. Calls that their callers cancelled are not counted. */
  readonly count: number;
}

/** The source of a call that ended with an error. */
export const NO_SOURCE = 'none';
/** The source of answers beyond {@link MOST_SOURCES}. */
const OTHER = 'other';
const MOST_SOURCES = 16;
const LONGEST_SOURCE = 128;

interface ByCause {
  none: number;
  rejected: number;
  failed: number;
  slow: number;
}

/** Counts how the callers of a circuit were answered. An answer of the primary costs one increment. */
export class AnswerCounts {
  /** The primary's own answers. */
  primary = 0;
  /** Made at first use, because most circuits never need it. */
  private others: Map<string, ByCause> | undefined;

  /** Counts a call that a fallback answered. */
  answered(source: string, cause: AnswerCause): void {
    this.add(source === NO_SOURCE ? OTHER : source, cause, 1);
  }

  /** Counts a call whose caller got an error. */
  unanswered(cause: AnswerCause | null): void {
    this.add(NO_SOURCE, cause, 1);
  }

  /** Adds the counts of a circuit that is dropped. */
  addAll(counts: AnswerCounts): void {
    this.primary += counts.primary;
    for (const { source, cause, count } of counts.report('', null)) {
      if (source !== 'primary' || cause !== null) this.add(source, cause, count);
    }
  }

  private add(source: string, cause: AnswerCause | null, times: number): void {
    this.others ??= new Map();
    const counts = this.others.get(source) ?? this.newSource(this.others, cut(source, LONGEST_SOURCE));
    counts[cause ?? 'none'] += times;
  }

  private newSource(others: Map<string, ByCause>, source: string): ByCause {
    const isFull = others.size >= MOST_SOURCES && source !== NO_SOURCE && !others.has(source);
    const name = isFull ? OTHER : source;
    const counts = others.get(name) ?? { none: 0, rejected: 0, failed: 0, slow: 0 };
    others.set(name, counts);
    return counts;
  }

  /** The counts that are not zero. */
  *report(method: string, circuitKey: string | null): Iterable<AnswerCount> {
    const { primary } = this;
    if (primary > 0) yield { circuitKey, method, source: 'primary', cause: null, count: primary };
    for (const [source, { none, rejected, failed, slow }] of this.others ?? []) {
      if (none > 0) yield { circuitKey, method, source, cause: null, count: none };
      if (rejected > 0) yield { circuitKey, method, source, cause: 'rejected', count: rejected };
      if (failed > 0) yield { circuitKey, method, source, cause: 'failed', count: failed };
      if (slow > 0) yield { circuitKey, method, source, cause: 'slow', count: slow };
    }
  }
}
