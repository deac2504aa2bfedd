import type { Scenario } from '../scenario/scenario.js';

export const tinyDeadlines: Scenario = {
  name: 'tiny-deadlines',
  story:
    'Three callers in ten give their calls 11 ms, for eight seconds; the model takes 20 ms as ever. The figures are those of the other callers.',
  lesson:
    'A deadline that the model never meets is no evidence against the model: one impatient tenant must not take it from the others.',
  traffic: {
    perSecond: 100,
    deadlineMs: 500,
    callers: [{ share: 0.3, atMs: 0, untilMs: 8_000, deadlineMs: 11 }],
  },
  faults: [],
  faultMs: 8_000,
  afterMs: 3_000,
};
