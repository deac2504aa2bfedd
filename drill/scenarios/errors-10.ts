import type { Scenario } from '../scenario/scenario.js';

export const errors10: Scenario = {
  name: 'errors-10',
  story: 'One call in ten fails, for fifteen seconds.',
  lesson: 'Nine in ten are answered: nobody should trip. A fallback, or a retry, serves the tenth.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 0.1 } }],
  faultMs: 15_000,
  quickFaultMs: 8_000,
  afterMs: 2_000,
};
