import type { Scenario } from '../scenario/scenario.js';

export const sigstop: Scenario = {
  name: 'sigstop',
  story:
    'The server process is stopped (SIGSTOP) for four seconds: connections stay, but no call is answered.',
  lesson:
    'No connection breaks, so each call waits until its deadline, until a circuit opens. When the process continues, it first handles the calls that have ' +
    'piled up in its sockets.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  faults: [{ kind: 'stop', atMs: 0, untilMs: 4_000 }],
  faultMs: 4_000,
};
