import type { Scenario } from '../scenario/scenario.js';

export const coldStart: Scenario = {
  name: 'cold-start',
  story:
    'The server is killed and comes back cold, six times as slow; when thirty calls wait, it dies again.',
  lesson:
    'A cold server cannot take what a warm one takes. If everybody is back at once it falls over, again and again, long after the first cause has ' +
    'gone; a share that grows lets it warm up.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: {
    serviceMs: 20,
    concurrency: 4,
    cold: { multiplier: 6, durationMs: 4_000 },
    dies: { whenQueued: 30, downMs: 1_000 },
  },
  faults: [{ kind: 'kill', atMs: 0, backAtMs: 2_000 }],
  faultMs: 2_000,
  afterMs: 14_000,
  quickAfterMs: 10_000,
};
