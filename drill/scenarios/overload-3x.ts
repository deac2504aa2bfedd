import type { Scenario } from '../scenario/scenario.js';

export const overload3x: Scenario = {
  name: 'overload-3x',
  story:
    'Callers make three times as many calls as the server can answer. The server has a bounded queue, and refuses the calls that do not fit into it.',
  lesson:
    'The server still answers 100 calls a second. A breaker that opens loses these answers; retries add to the load.',
  traffic: { perSecond: 50, deadlineMs: 500, changes: [{ atMs: 0, untilMs: 6_000, factor: 6 }] },
  servers: { serviceMs: 40, concurrency: 4, maxQueued: 12 },
  faults: [],
  faultMs: 6_000,
  assertCapacity: true,
  // 300 calls and 250 fallbacks per second and cell
  sideBySide: 4,
};
