import type { Scenario } from '../scenario/scenario.js';

export const overload6x: Scenario = {
  name: 'overload-6x',
  story:
    'Callers ask for six times as much as the server can do; its queue is bounded and it refuses the rest.',
  lesson:
    'The server goes on answering 100 calls a second, if it is allowed to. A breaker that opens throws these answers away; retries add to the load.',
  traffic: { perSecond: 50, deadlineMs: 500, changes: [{ atMs: 0, untilMs: 6_000, factor: 12 }] },
  servers: { serviceMs: 40, concurrency: 4, maxQueued: 12 },
  faults: [],
  faultMs: 6_000,
  assertCapacity: true,
  // 600 calls and 500 fallbacks per second and cell: eight cells would have late answers, none of the server's doing
  sideBySide: 4,
};
