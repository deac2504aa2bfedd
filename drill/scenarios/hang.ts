import type { Scenario } from '../scenario/scenario.js';

export const hang: Scenario = {
  name: 'hang',
  story: 'For five seconds, the server accepts calls and answers none.',
  lesson:
    'Every call waits until its deadline, and then there is no time for a fallback. So the primary needs a timeout that is shorter than the deadline, or a part of the deadline must be reserved for fallbacks.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 5_000,
};
