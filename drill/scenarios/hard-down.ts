import type { Scenario } from '../scenario/scenario.js';

export const hardDown: Scenario = {
  name: 'hard-down',
  story: 'The server process is killed; a new one listens five seconds later.',
  lesson:
    'Refused connections fail at once, so callers lose answers but no time. Two things matter: a fallback, and how soon the client notices that the ' +
    'server is back. The circuit and the channel below it both wait before they try again.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'kill', atMs: 0, backAtMs: 5_000 }],
  faultMs: 5_000,
};
