import { cockatiel } from './cockatiel.js';
import type { Contestant } from './contestant.js';
import { failsoft } from './failsoft.js';
import { failsoftOpossum } from './failsoft-opossum.js';
import { failsoftTuned } from './failsoft-tuned.js';
import { none } from './none.js';
import { opossum } from './opossum.js';
import { outlier } from './outlier.js';
import { retry } from './retry.js';

/** All contestants, in the order in which reports show them. */
export const CONTESTANTS: readonly Contestant[] = [
  none,
  retry,
  outlier,
  opossum,
  cockatiel,
  failsoft,
  failsoftTuned,
  failsoftOpossum,
];
