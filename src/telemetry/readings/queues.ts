import type { MeteredQueue } from './metered-guard.js';

/** How many jobs a queue holds now. */
export interface QueueReading {
  readonly labels: Readonly<Record<string, string>>;
  readonly counts: Awaited<ReturnType<MeteredQueue['counts']>>;
}

interface HasQueues {
  readonly labels: Readonly<Record<string, string>>;
  readonly queues: Readonly<Record<string, MeteredQueue>>;
}

/** The longest time that a scrape waits for a queue, in milliseconds. */
const LONGEST_MS = 2_000;

/** Asks all queues at the same time. A queue that fails, is too slow or gives no numbers has no reading, and so no series. */
export async function readQueues(owners: Iterable<HasQueues>): Promise<QueueReading[]> {
  const asked = [...owners].flatMap(({ labels, queues }) =>
    Object.entries(queues).map(async ([queue, source]) => ({
      labels: { ...labels, queue },
      counts: await bounded(async () => source.counts()),
    })),
  );
  const settled = await Promise.allSettled(asked);
  return settled.flatMap((result) =>
    result.status === 'fulfilled' && areCounts(result.value.counts) ? [result.value] : [],
  );
}

/** Checks the counts, because the queue may be the user's own. */
function areCounts(counts: unknown): boolean {
  if (typeof counts !== 'object' || counts === null) return false;
  return ['waiting', 'active', 'dead', 'bytes'].every((name) => Number.isFinite(Reflect.get(counts, name)));
}

function bounded<T>(ask: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), LONGEST_MS).unref();
    ask()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
