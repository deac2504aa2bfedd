import type { Scenario } from '../scenario/scenario.js';

export const hang: Scenario = {
  name: 'hang',
  story: 'The server takes calls and answers none for five seconds.',
  lesson:
    'Every call costs its whole deadline. A fallback needs time that the primary did not use up: a timeout below the deadline, or a reserve.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 5_000,
};
