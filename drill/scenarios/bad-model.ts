import type { Scenario } from '../scenario/scenario.js';

export const badModel: Scenario = {
  name: 'bad-model',
  story: 'One of five models behind the same method fails every call for eight seconds.',
  lesson:
    'Four in five calls are for healthy models. A breaker per method rejects these calls too; a breaker per model rejects only the calls of the broken model.',
  traffic: { perSecond: 100, deadlineMs: 500 },
  servers: { models: ['ada', 'bea', 'cleo', 'dora', 'eve'] },
  faults: [{ kind: 'trouble', model: 'cleo', atMs: 0, trouble: { errorShare: 1, errorCode: 13 } }],
  faultMs: 8_000,
};
