import type { Scenario } from '../scenario/scenario.js';

export const hardDown30: Scenario = {
  name: 'hard-down-30',
  story: 'The server process is killed; a new one listens thirty seconds later.',
  lesson:
    'Waits that double with each failed probe have grown by then, in the circuit and in the channel: a long outage must not cost a long time ' +
    'after it.',
  traffic: { perSecond: 50, deadlineMs: 500 },
  faults: [{ kind: 'kill', atMs: 0, backAtMs: 30_000 }],
  faultMs: 30_000,
  calmMs: 2_000,
};
