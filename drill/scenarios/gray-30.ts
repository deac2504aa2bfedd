import type { Scenario } from '../scenario/scenario.js';

export const gray30: Scenario = {
  name: 'gray-30',
  story: 'Three calls in ten hang, the others are answered as ever, for ten seconds.',
  lesson:
    'Seven calls in ten are worth their answer. A breaker that opens gives up good answers, one that does not lets three in ten callers wait: ' +
    'a fallback after a timeout below the deadline serves both.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 0.3 } }],
  faultMs: 10_000,
  quickFaultMs: 6_000,
};
