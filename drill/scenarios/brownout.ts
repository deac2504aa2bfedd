import type { Scenario } from '../scenario/scenario.js';

export const brownout: Scenario = {
  name: 'brownout',
  story: 'The model takes twenty times as long, which is over the deadline, for five seconds.',
  lesson:
    'As a hang, but the server works for nothing: whoever goes on calling keeps it busy with answers that come too late.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { serviceMs: 30 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { latencyMultiplier: 20 } }],
  faultMs: 5_000,
};
