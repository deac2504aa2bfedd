import type { Scenario } from '../scenario/scenario.js';

export const errors2: Scenario = {
  name: 'errors-2',
  story: 'Two calls in a hundred fail, for a minute.',
  lesson: 'This is a good day in many places. Whoever trips here does so by the chance of a small sample.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 0.02 } }],
  faultMs: 60_000,
  quickFaultMs: 10_000,
  afterMs: 2_000,
};
