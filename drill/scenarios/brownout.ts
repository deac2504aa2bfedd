import type { Scenario } from '../scenario/scenario.js';

export const brownout: Scenario = {
  name: 'brownout',
  story:
    'For five seconds, the model takes twenty times as long as usual, which is longer than the deadline.',
  lesson:
    'For the callers this is the same as a hang. But the server works on each call, so a client that goes on calling keeps it busy with answers that come too late.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { serviceMs: 30 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { latencyMultiplier: 20 } }],
  faultMs: 5_000,
};
