import type { Scenario } from '../scenario/scenario.js';

export const streamStall: Scenario = {
  name: 'stream-stall',
  story:
    'For three seconds, streams stall before their first message. Three seconds later, streams stall for three seconds after their first message.',
  lesson:
    'Before its first message, a stream can be replaced as a unary call can. After it, the client can only end the stream before its deadline.',
  traffic: { perSecond: 40, deadlineMs: 1_000, kind: 'stream' },
  faults: [
    { kind: 'trouble', atMs: 0, untilMs: 3_000, trouble: { stallsAfterMessages: 0 } },
    { kind: 'trouble', atMs: 6_000, untilMs: 9_000, trouble: { stallsAfterMessages: 1 } },
  ],
  faultMs: 9_000,
};
