import type { Scenario } from '../scenario/scenario.js';

export const hardDown: Scenario = {
  name: 'hard-down',
  story: 'The server process is killed; a new one listens five seconds later.',
  lesson:
    'Refused connections fail at once, so that callers lose answers and not time. What counts is a fallback, and how soon the server is noticed ' +
    'when it is back: the circuit and the channel below it both wait before they try again.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'kill', atMs: 0, backAtMs: 5_000 }],
  faultMs: 5_000,
};
