import type { Scenario } from '../scenario/scenario.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A day of a client with two calls a second: half a minute without the server in each hour, and one error in two hundred calls. */
export const DAY: Scenario = {
  name: 'day',
  story:
    'A day in which the server is down for half a minute of each hour, and one call in two hundred fails.',
  lesson:
    'Most of the day is good: what a breaker costs in good times counts as much as what it saves in bad ones.',
  traffic: { perSecond: 2, deadlineMs: 500 },
  faults: [
    { kind: 'trouble', atMs: 0, trouble: { errorShare: 0.005 } },
    ...Array.from({ length: 24 }, (_, hour) => ({
      kind: 'kill' as const,
      atMs: (hour + 0.5) * HOUR_MS,
      backAtMs: (hour + 0.5) * HOUR_MS + 30_000,
    })),
  ],
  faultMs: DAY_MS,
};

/** The interval at which its servers write down their health: a day in steps of 10 ms would fill the memory. */
export const DAY_SAMPLE_MS = 250;
