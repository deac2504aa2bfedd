import type { Scenario } from '../scenario/scenario.js';

export const errors2: Scenario = {
  name: 'errors-2',
  story: 'For half a minute, two calls in a hundred fail.',
  lesson:
    'In many services this is normal. A circuit that opens here does so because of a small sample, by chance.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 0.02 } }],
  faultMs: 30_000,
  quickFaultMs: 10_000,
  afterMs: 2_000,
};
