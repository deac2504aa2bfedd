import type { Scenario } from '../scenario/scenario.js';

export const oneBackendHangs: Scenario = {
  name: 'one-backend-hangs',
  story: 'One of two servers behind round_robin takes calls and answers none, for eight seconds.',
  lesson:
    'The balancer sees a good connection and sends every second call into it. Outlier detection is made for this; a breaker above the balancer ' +
    'cannot tell one server from the other, and may give up the good one, too.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { count: 2 },
  faults: [{ kind: 'trouble', server: 1, atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 8_000,
};
