import type { Scenario } from '../scenario/scenario.js';

export const lbResets: Scenario = {
  name: 'lb-resets',
  story:
    'Every connection is reset when it is 2.5 seconds old, as a load balancer may do, with about ten calls in flight.',
  lesson: 'A breaker that opens at each reset is open for much of the time, although the server is well.',
  traffic: { perSecond: 200, deadlineMs: 500 },
  servers: { serviceMs: 50 },
  faults: [{ kind: 'resets', everyMs: 2_500 }],
  faultMs: 15_000,
  quickFaultMs: 8_000,
  afterMs: 2_000,
  // eight cells side by side made 1,600 calls per second, more than two cores can bear, and callers were late for that
  sideBySide: 4,
};
