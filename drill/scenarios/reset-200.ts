import type { Scenario } from '../scenario/scenario.js';

export const reset200: Scenario = {
  name: 'reset-200',
  story: 'One connection is reset with 200 calls in flight; the server is well all the time.',
  lesson:
    'One broken connection is one failure, however many calls were on it. A breaker that counts each lost call opens although the server is well, ' +
    'and callers lose the answers of the server for as long as the breaker is open.',
  traffic: { perSecond: 100, deadlineMs: 500, bursts: [{ atMs: 0, calls: 200 }] },
  servers: { serviceMs: 100, concurrency: 512 },
  faults: [{ kind: 'reset', atMs: 0, whenInFlight: 200 }],
  faultMs: 100,
  afterMs: 5_000,
  sideBySide: 4,
};
