import type { Scenario } from '../scenario/scenario.js';

export const hardDown30: Scenario = {
  name: 'hard-down-30',
  story: 'The server process is killed; a new one listens thirty seconds later.',
  lesson:
    'After thirty seconds, waits that double with each failed probe have become long, in the circuit and in the channel. The wait after the outage must ' +
    'not be long because the outage was.',
  traffic: { perSecond: 50, deadlineMs: 500 },
  faults: [{ kind: 'kill', atMs: 0, backAtMs: 30_000 }],
  faultMs: 30_000,
  calmMs: 2_000,
};
