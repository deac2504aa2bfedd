import type { Scenario } from '../scenario/scenario.js';

export const secondaryDown: Scenario = {
  name: 'secondary-down',
  story: 'The server is down for five seconds, and the secondary model, which should answer instead, hangs.',
  lesson:
    'The fallback needs a breaker and a timeout of its own. Then callers get the default, and get it soon.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [
    { kind: 'kill', atMs: 0, backAtMs: 5_000 },
    { kind: 'trouble', server: 'secondary', atMs: 0, trouble: { hangShare: 1 } },
  ],
  faultMs: 5_000,
};
