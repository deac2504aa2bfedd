import { createGuard } from 'failsoft';
import type { Contestant } from './contestant.js';
import { chainOf, guardedCaller } from './guarded.js';

export const failsoft: Contestant = {
  name: 'failsoft',
  about: 'failsoft with its defaults: `createGuard({ fallbacks })`, attached with `clientOptions()`.',
  open: (setting) => guardedCaller(setting, createGuard({ fallbacks: chainOf(setting) })),
};
