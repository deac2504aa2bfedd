import { DEMAND_MODELS, type DemandModelName, NETWORKS } from 'failsoft/testing';
import { expect, it } from 'vitest';
import { heldOutInputs, PLANS, trainingInputs } from '../../scripts/demand-plans.js';
import { train } from '../../scripts/trainer.js';
import { inFull } from '../support/long.js';

// Seconds of pure computing for the larger one: the limit is for a busy machine.
const retrained = inFull<readonly DemandModelName[]>(DEMAND_MODELS, ['demand-small']);
it.each(retrained)('%s comes out of training bit for bit as committed', { timeout: 600_000 }, (name) => {
  expect(train(PLANS[name], trainingInputs(), heldOutInputs())).toEqual(NETWORKS[name]);
});
