import type { Scenario } from '../scenario/scenario.js';

export const streamStall: Scenario = {
  name: 'stream-stall',
  story:
    'Streams stall: for three seconds before their first message, and, three seconds later, for three seconds after it.',
  lesson:
    'Before the first message a stream can be replaced as a unary call can; after it, all that a client can do is to end it before its deadline.',
  traffic: { perSecond: 40, deadlineMs: 1_000, kind: 'stream' },
  faults: [
    { kind: 'trouble', atMs: 0, untilMs: 3_000, trouble: { stallsAfterMessages: 0 } },
    { kind: 'trouble', atMs: 6_000, untilMs: 9_000, trouble: { stallsAfterMessages: 1 } },
  ],
  faultMs: 9_000,
};
