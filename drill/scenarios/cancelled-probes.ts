import type { Scenario } from '../scenario/scenario.js';

export const cancelledProbes: Scenario = {
  name: 'cancelled-probes',
  story:
    'The server hangs for three seconds, and nine callers in ten leave after 15 ms, before it could answer, also afterwards. The figures are those ' +
    'of the tenth.',
  lesson:
    'A probe whose caller leaves says nothing. It must give its place back, or nobody finds out that the server is well again.',
  traffic: { perSecond: 200, deadlineMs: 500, callers: [{ share: 0.9, leavesAfterMs: 15 }] },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 3_000,
};
