import type { Scenario } from '../scenario/scenario.js';

export const oneBackendHangs: Scenario = {
  name: 'one-backend-hangs',
  story: 'For eight seconds, one of two servers behind round_robin accepts calls and answers none.',
  lesson:
    'The connection stays good, so the balancer sends every second call to the server that hangs. Outlier detection is made for this. A breaker above the ' +
    'balancer cannot tell the servers apart, and may reject calls that the good server would have answered.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { count: 2 },
  faults: [{ kind: 'trouble', server: 1, atMs: 0, trouble: { hangShare: 1 } }],
  faultMs: 8_000,
};
