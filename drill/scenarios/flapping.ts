import type { Scenario } from '../scenario/scenario.js';

export const flapping: Scenario = {
  name: 'flapping',
  story: 'The server is down for a second and up for two, four times.',
  lesson:
    'Whoever waits longer with each outage misses the two good seconds; whoever comes back at full speed at once pays for each outage again.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [
    { kind: 'kill', atMs: 0, backAtMs: 1_000 },
    { kind: 'kill', atMs: 3_000, backAtMs: 4_000 },
    { kind: 'kill', atMs: 6_000, backAtMs: 7_000 },
    { kind: 'kill', atMs: 9_000, backAtMs: 10_000 },
  ],
  faultMs: 10_000,
};
