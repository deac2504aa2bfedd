import type { Scenario } from '../scenario/scenario.js';

export const clockStep: Scenario = {
  name: 'clock-step',
  story:
    "The client's wall clock jumps ahead by an hour. Then the server is down for two seconds, in which the clock jumps back again.",
  lesson:
    'Time limits within a process need a clock that does not jump; otherwise circuits stay open for an hour, or deadlines pass at once.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [
    { kind: 'clock-step', atMs: 0, byMs: 3_600_000 },
    { kind: 'kill', atMs: 2_000, backAtMs: 4_000 },
    { kind: 'clock-step', atMs: 3_000, byMs: -3_600_000 },
  ],
  faultMs: 4_000,
};
