import {
  DEMAND_FEATURES,
  DEMAND_LEVELS,
  type LabelledInput,
  labelledInputs,
} from '../src/testing/demand/inputs.js';
import type { TrainingPlan } from './trainer.js';

const TRAINING_SEED = 1;
const HELD_OUT_SEED = 2;

/** The training plans of the two committed models. */
export const PLANS: Readonly<Record<'demand-large' | 'demand-small', TrainingPlan>> = {
  'demand-large': {
    features: DEMAND_FEATURES.map((_, index) => index),
    hidden: [40, 16],
    classes: DEMAND_LEVELS.length,
    epochs: 30,
    learningRate: 0.005,
    seed: 11,
  },
  // Linear, with two features only: past demand, and whether there is an event.
  'demand-small': {
    features: [0, 1, 2, 10, 12],
    hidden: [],
    classes: DEMAND_LEVELS.length,
    epochs: 10,
    learningRate: 0.02,
    seed: 12,
  },
};

export const trainingInputs = () => take(TRAINING_SEED, 12_000);
export const heldOutInputs = () => take(HELD_OUT_SEED, 5_000);

function take(seed: number, count: number): LabelledInput[] {
  const source = labelledInputs(seed);
  return Array.from({ length: count }, () => source.next().value);
}
