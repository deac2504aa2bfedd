import type { StoreReading } from '../store-reading.js';
import type { Family, Sample } from './families.js';
import type { Reading } from './reader.js';

/** Strategies of one name may be registered for several methods, and several of them for one method. */
function perStore(
  { stores }: Reading,
  values: (reading: StoreReading) => Iterable<readonly [labels: Record<string, string>, value: number]>,
): Sample[] {
  const sums = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const reading of stores) {
    const { store, method } = reading;
    for (const [own, value] of values(reading)) {
      const labels = { store, method, ...own };
      const key = JSON.stringify(labels);
      const sum = sums.get(key) ?? { labels, value: 0 };
      sum.value += value;
      sums.set(key, sum);
    }
  }
  return [...sums.values()];
}

const named = (values: Readonly<Record<string, number>> | undefined) =>
  Object.entries(values ?? {}).map(([result, value]) => [{ result }, value] as const);

const troubled: Family = {
  name: 'store.troubled',
  type: 'gauge',
  unit: '{store}',
  help: '1 while the store or the queue of a fallback is down, full or full of garbage.',
  labels: ['store', 'method'],
  samples: (reading) => perStore(reading, ({ state }) => [[{}, state === 'ok' ? 0 : 1]]),
};

const entries: Family = {
  name: 'store.entries',
  type: 'gauge',
  unit: '{answer}',
  help: 'Answers that are kept in memory.',
  labels: ['store', 'method'],
  samples: (reading) =>
    perStore(reading, ({ memory }) => (memory === undefined ? [] : [[{}, memory.entries]])),
};

const bytes: Family = {
  name: 'store.size',
  type: 'gauge',
  unit: 'By',
  help: 'The size of the answers that are kept in memory.',
  labels: ['store', 'method'],
  samples: (reading) => perStore(reading, ({ memory }) => (memory === undefined ? [] : [[{}, memory.bytes]])),
};

const answers: Family = {
  name: 'store.answers',
  type: 'counter',
  unit: '{answer}',
  help: 'Answers that were kept, found (hits), not found (misses), too old (stale) or not kept (skipped, failures).',
  labels: ['store', 'method', 'result'],
  samples: (reading) => perStore(reading, (store) => named(store.answers)),
};

const operations: Family = {
  name: 'store.operations',
  type: 'counter',
  unit: '{operation}',
  help: 'Reads and writes of a remote store: hits, misses, writes, errors, timeouts, garbage, skipped.',
  labels: ['store', 'method', 'result'],
  samples: (reading) => perStore(reading, (store) => named(store.operations)),
};

export const STORE_FAMILIES: readonly Family[] = [troubled, entries, bytes, answers, operations];
