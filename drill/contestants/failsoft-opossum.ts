import { createGuard } from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import type { Contestant } from './contestant.js';
import { chainOf, guardedCaller } from './guarded.js';

export const failsoftOpossum: Contestant = {
  name: 'failsoft-opossum',
  about: 'failsoft on its opossum engine, with the same breaker options as the contestant opossum.',
  open(setting) {
    const engine = opossumEngine({ errorThresholdPercentage: 50, resetTimeout: 1_000 });
    return guardedCaller(setting, createGuard({ engine, fallbacks: chainOf(setting) }));
  },
};
