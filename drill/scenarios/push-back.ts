import type { Scenario } from '../scenario/scenario.js';

export const pushBack: Scenario = {
  name: 'push-back',
  story:
    'For two seconds, the server refuses every call and sends how long clients should wait before the next call (`grpc-retry-pushback-ms`).',
  lesson:
    'The server knows best when it can answer again. Calls before that time only add load; calls after it are answered.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'trouble', atMs: 0, trouble: { errorShare: 1, errorCode: 8, pushesBack: true } }],
  faultMs: 2_000,
};
