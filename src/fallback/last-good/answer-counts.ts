import type { StoreReading } from '../../telemetry/store-reading.js';
import type { StoreStats } from './answer-store.js';
import type { KeptAnswers } from './kept-answers.js';
import type { LastGoodStats, SkippedAnswers } from './options.js';

/** The counts of a {@link LastGood}. */
export class AnswerCounts {
  kept = 0;
  hits = 0;
  misses = 0;
  stale = 0;
  failures = 0;
  readonly #skipped = { degraded: 0, otherCaller: 0, unknownCaller: 0, tooLong: 0, busy: 0 };

  skip(reason: keyof SkippedAnswers): void {
    this.#skipped[reason]++;
  }

  stats(
    { size: entries, bytes }: KeptAnswers,
    pending: number,
    store: StoreStats | undefined,
  ): LastGoodStats {
    const { kept, hits, misses, stale, failures } = this;
    const skipped = { ...this.#skipped };
    return { kept, hits, misses, stale, failures, skipped, pending, entries, bytes, store };
  }
}

/** The totals of a strategy's answers and its store, as metrics read them. */
export function readingOf(name: string, method: string, stats: LastGoodStats): StoreReading {
  const { entries, bytes, kept, hits, misses, stale, failures, skipped, store } = stats;
  const { degraded, otherCaller, unknownCaller, tooLong, busy } = skipped;
  const allSkipped = degraded + otherCaller + unknownCaller + tooLong + busy;
  const { state = 'ok', ...operations } = store ?? {};
  return {
    store: name,
    method,
    state,
    memory: { entries, bytes },
    answers: { kept, hits, misses, stale, failures, skipped: allSkipped },
    ...(store !== undefined && { operations }),
  };
}
