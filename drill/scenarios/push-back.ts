import type { Scenario } from '../scenario/scenario.js';

export const pushBack: Scenario = {
  name: 'push-back',
  story:
    'The server refuses every call for two seconds, and says how long it wants to be left alone (`grpc-retry-pushback-ms`).',
  lesson:
    'A server that says when to come back knows best: until then every call is a burden, afterwards none is.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 1, errorCode: 8, pushesBack: true } }],
  faultMs: 2_000,
};
