import type { Scenario } from '../scenario/scenario.js';

export const badRequests: Scenario = {
  name: 'bad-requests',
  story: 'For five seconds, six callers in ten send requests that the server must refuse (INVALID_ARGUMENT).',
  lesson:
    'The server works: it refuses bad requests. A breaker that counts these answers as failures opens, and rejects the calls of the other four callers.',
  traffic: { perSecond: 100, deadlineMs: 500, callers: [{ share: 0.6, atMs: 0, untilMs: 5_000, bad: true }] },
  faults: [],
  faultMs: 5_000,
  afterMs: 4_000,
};
