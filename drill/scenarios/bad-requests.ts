import type { Scenario } from '../scenario/scenario.js';

export const badRequests: Scenario = {
  name: 'bad-requests',
  story: 'Six callers in ten send what the server must refuse (INVALID_ARGUMENT), for five seconds.',
  lesson:
    'The server answers, and it is right. A breaker that counts such answers as failures takes the other four callers down.',
  traffic: { perSecond: 100, deadlineMs: 500, callers: [{ share: 0.6, atMs: 0, untilMs: 5_000, bad: true }] },
  faults: [],
  faultMs: 5_000,
  afterMs: 4_000,
};
