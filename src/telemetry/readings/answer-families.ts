import { type Family, summed } from './family.js';

const answers: Family = {
  name: 'answers',
  type: 'counter',
  unit: '{call}',
  help: 'Calls by the source of their answer; source none: the caller got an error.',
  labels: ['method', 'source'],
  samples: ({ answers: rows }) =>
    summed(
      rows.flatMap(({ method, source, count }) => [
        { labels: { method, source }, value: count },
        // from the start, so that a rate sees the first error, and an alert has data before it
        { labels: { method, source: 'none' }, value: 0 },
      ]),
    ),
};

const degraded: Family = {
  name: 'degraded',
  type: 'counter',
  unit: '{call}',
  help: 'Calls that a fallback answered, by its source and the cause: the primary rejected, failed or was slow.',
  labels: ['method', 'source', 'cause'],
  samples: ({ answers: rows }) =>
    rows.flatMap(({ method, source, cause, count }) =>
      cause === null || source === 'none' ? [] : [{ labels: { method, source, cause }, value: count }],
    ),
};

const attempts: Family = {
  name: 'fallback.attempts',
  type: 'counter',
  unit: '{attempt}',
  help: 'Fallbacks that were asked and did not answer, by the result: declined, failed, timed-out, disabled, capped, stopped.',
  labels: ['method', 'strategy', 'result'],
  samples: ({ attempts: rows }) =>
    rows.map(({ method, strategy, result, count }) => ({
      labels: { method, strategy, result },
      value: count,
    })),
};

/** How callers were answered. */
export const ANSWER_FAMILIES: readonly Family[] = [answers, degraded, attempts];
