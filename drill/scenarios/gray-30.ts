import type { Scenario } from '../scenario/scenario.js';

export const gray30: Scenario = {
  name: 'gray-30',
  story: 'For ten seconds, three calls in ten hang; the others are answered as usual.',
  lesson:
    'Seven calls in ten get a good answer. A breaker that opens loses these answers; a breaker that stays closed lets three callers in ten wait. A timeout ' +
    'that is shorter than the deadline, with a fallback after it, avoids both.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 0.3 } }],
  faultMs: 10_000,
  quickFaultMs: 6_000,
};
