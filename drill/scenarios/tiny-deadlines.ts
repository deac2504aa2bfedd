import type { Scenario } from '../scenario/scenario.js';

export const tinyDeadlines: Scenario = {
  name: 'tiny-deadlines',
  story:
    'For eight seconds, three callers in ten set deadlines of 11 ms; the model takes 20 ms as usual. The figures are those of the other callers.',
  lesson:
    'A deadline that the model can never meet is no evidence against the model. One impatient tenant must not open the circuit for the others.',
  traffic: {
    perSecond: 100,
    deadlineMs: 500,
    callers: [{ share: 0.3, atMs: 0, untilMs: 8_000, deadlineMs: 11 }],
  },
  faults: [],
  faultMs: 8_000,
  afterMs: 3_000,
};
