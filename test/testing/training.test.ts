import { DEMAND_MODELS, NETWORKS } from 'failsoft/testing';
import { expect, it } from 'vitest';
import { heldOutInputs, PLANS, trainingInputs } from '../../scripts/demand-plans.js';
import { train } from '../../scripts/trainer.js';

// Seconds of pure computing for the larger one: the limit is for a busy machine.
it.each(DEMAND_MODELS)('%s comes out of training bit for bit as committed', { timeout: 600_000 }, (name) => {
  expect(train(PLANS[name], trainingInputs(), heldOutInputs())).toEqual(NETWORKS[name]);
});
