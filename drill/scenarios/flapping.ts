import type { Scenario } from '../scenario/scenario.js';

export const flapping: Scenario = {
  name: 'flapping',
  story: 'Four times, the server is down for one second and then up for two.',
  lesson:
    'A client that waits longer after each outage misses the two good seconds. A client that sends all its calls again at once has many failures in each outage.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [
    { kind: 'kill', atMs: 0, backAtMs: 1_000 },
    { kind: 'kill', atMs: 3_000, backAtMs: 4_000 },
    { kind: 'kill', atMs: 6_000, backAtMs: 7_000 },
    { kind: 'kill', atMs: 9_000, backAtMs: 10_000 },
  ],
  faultMs: 10_000,
};
