import type { Scenario } from '../scenario/scenario.js';

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  story:
    'Three servers behind round_robin restart one after the other, gracefully: each finishes its calls, and is back two seconds later.',
  lesson:
    'The balancer sends the calls to the other servers. A circuit breaker above the balancer should not open.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { count: 3 },
  faults: [
    { kind: 'drain', server: 0, atMs: 0, backAtMs: 2_000 },
    { kind: 'drain', server: 1, atMs: 3_000, backAtMs: 5_000 },
    { kind: 'drain', server: 2, atMs: 6_000, backAtMs: 8_000 },
  ],
  faultMs: 8_000,
  afterMs: 4_000,
};
