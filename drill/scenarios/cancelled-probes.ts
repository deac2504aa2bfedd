import type { Scenario } from '../scenario/scenario.js';

export const cancelledProbes: Scenario = {
  name: 'cancelled-probes',
  story:
    'The server hangs for three seconds. Nine callers in ten cancel after 15 ms, before the server could answer, also when it is well. The figures ' +
    'are those of the callers that do not cancel.',
  lesson:
    'A probe that its caller cancels is no evidence. It must give its slot back; otherwise no other call can be a probe, and the circuit does not notice that the server is well again.',
  traffic: { perSecond: 200, deadlineMs: 500, callers: [{ share: 0.9, leavesAfterMs: 15 }] },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 3_000,
};
