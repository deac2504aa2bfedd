import type { Scenario } from '../scenario/scenario.js';

export const errors10: Scenario = {
  name: 'errors-10',
  story: 'For fifteen seconds, one call in ten fails.',
  lesson:
    'Nine calls in ten are answered, so no circuit should open. A fallback or a retry answers the tenth call.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 0.1 } }],
  faultMs: 15_000,
  quickFaultMs: 8_000,
  afterMs: 2_000,
};
