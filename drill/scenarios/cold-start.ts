import type { Scenario } from '../scenario/scenario.js';

export const coldStart: Scenario = {
  name: 'cold-start',
  story:
    'The server is killed and comes back cold: at first, each call takes six times as long. When thirty calls wait, the server dies again.',
  lesson:
    'A cold server cannot answer as many calls as a warm server. If all calls come back at once, the server dies again and again, long after the first ' +
    'cause has ended. If the client sends a growing share of the calls, the server can warm up.',
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
