import type { StoreReading } from '../store-reading.js';
import { type Family, named, type Sample, summed } from './family.js';
import type { Reading } from './reader.js';

/** Adds up strategies with the same name and method: a method may have several of them. */
function perStore(
  { stores }: Reading,
  values: (reading: StoreReading) => Iterable<readonly [labels: Record<string, string>, value: number]>,
): Sample[] {
  const samples = function* () {
    for (const reading of stores) {
      const { store, method } = reading;
      for (const [own, value] of values(reading)) yield { labels: { store, method, ...own }, value };
    }
  };
  return summed(samples());
}

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
  samples: (reading) => perStore(reading, (store) => named('result', store.answers)),
};

const operations: Family = {
  name: 'store.operations',
  type: 'counter',
  unit: '{operation}',
  help: 'Reads and writes of a remote store: hits, misses, writes, errors, timeouts, garbage, skipped.',
  labels: ['store', 'method', 'result'],
  samples: (reading) => perStore(reading, (store) => named('result', store.operations)),
};

export const STORE_FAMILIES: readonly Family[] = [troubled, entries, bytes, answers, operations];
