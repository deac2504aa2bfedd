import type { Scenario } from '../scenario/scenario.js';

export const clientStall: Scenario = {
  name: 'client-stall',
  story: "The client's own event loop stands still for 400 ms, three times; the server is not slow.",
  lesson:
    'The answers have arrived, but the client has not read them: what looks like fifteen timeouts is one pause of the client. A breaker that counts ' +
    'these timeouts opens although the server is well.',
  traffic: { perSecond: 300, deadlineMs: 300 },
  servers: { serviceMs: 50 },
  faults: [
    { kind: 'client-stall', atMs: 0, forMs: 400 },
    { kind: 'client-stall', atMs: 2_000, forMs: 400 },
    { kind: 'client-stall', atMs: 4_000, forMs: 400 },
  ],
  faultMs: 4_400,
  afterMs: 4_000,
  // eight cells side by side make more calls after a standstill than two cores can bear
  sideBySide: 4,
};
