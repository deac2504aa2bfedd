import type { Scenario } from '../scenario/scenario.js';

export const coldClient: Scenario = {
  name: 'cold-client',
  story:
    'A client process starts and makes calls at once: its first calls wait for the connection, for TLS, and for the JavaScript compiler.',
  lesson:
    'The first calls are slow although the server is well: their latency is no evidence against the model.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { tls: true },
  faults: [],
  faultMs: 0,
  calmMs: 0,
  afterMs: 1_500,
  // twenty in the five seeds of a full run
  starts: 4,
  sideBySide: 2,
};
