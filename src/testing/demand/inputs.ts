import { checkInteger } from '../../checks.js';
import { seededRandom } from '../random.js';

/** The demand levels that the models predict, from the lowest. A level is given as its index in this list. */
export const DEMAND_LEVELS = ['none', 'low', 'normal', 'high', 'peak'] as const;

/** The features of an input, in the order of the input tensor. Every value is in [-1, 1] or near it. */
export const DEMAND_FEATURES = [
  'demand an hour ago',
  'demand a day ago',
  'demand a week ago',
  'hour of the day',
  'weekend',
  'holiday',
  'temperature',
  'rain',
  'price',
  "competitor's price",
  'promotion',
  'advertising',
  'event nearby',
  'stock',
  'supply delay',
  'season',
] as const;

/** The index of the most common level, which is the best constant prediction. */
export const MAJORITY_LEVEL = 2;

/** An input and its true level. */
export interface LabelledInput {
  /** As long as {@link DEMAND_FEATURES}. */
  readonly features: readonly number[];
  /** An index into {@link DEMAND_LEVELS}. */
  readonly level: number;
}

/**
 * An endless stream of labelled inputs: the same seed gives the same inputs, on every machine.
 * @param seed an integer. Seeds 1 and 2 are the models' training and held-out data.
 */
export function* labelledInputs(seed: number): Generator<LabelledInput, never, undefined> {
  const random = seededRandom(checkInteger('seed', seed, 0, 2 ** 32 - 1));
  for (;;) {
    const features = drawFeatures(random);
    yield { features, level: levelOf(trueDemand(features)) };
  }
}

/** Only additions, multiplications and comparisons below: their results do not depend on the machine. */
function drawFeatures(random: () => number): number[] {
  const spread = () => 2 * random() - 1;
  const flag = (share: number) => (random() < share ? 1 : 0);
  const trend = spread() + spread() + spread();
  return [
    0.5 * trend + 0.15 * spread(),
    0.45 * trend + 0.35 * spread(),
    0.4 * trend + 0.5 * spread(),
    spread(),
    flag(2 / 7),
    flag(0.1),
    spread(),
    flag(0.25) * random(),
    spread(),
    spread(),
    flag(0.2),
    random(),
    flag(0.08),
    random(),
    flag(0.15) * random(),
    spread(),
  ];
}

/** The true demand: it depends mostly on the past demand, and on conditions that influence each other. */
function trueDemand(features: readonly number[]): number {
  const [
    hourAgo = 0,
    dayAgo = 0,
    weekAgo = 0,
    hour = 0,
    weekend = 0,
    holiday = 0,
    temperature = 0,
    rain = 0,
    price = 0,
    competitor = 0,
    promotion = 0,
    advertising = 0,
    event = 0,
    stock = 0,
    delay = 0,
    season = 0,
  ] = features;
  const cheaper = competitor - price;
  let demand = 1.0 * hourAgo + 0.3 * dayAgo + 0.12 * weekAgo;
  demand += 0.16 * (1 - 2 * hour * hour) * (1 - weekend);
  demand += 0.14 * weekend * (temperature > 0 ? temperature : -0.5 * temperature) * (1 - rain);
  demand += 0.2 * promotion * (0.4 + Math.max(0, cheaper));
  demand += 0.1 * cheaper + 0.08 * advertising * season;
  demand += 0.35 * event * (1 - holiday) - 0.25 * holiday * (1 - weekend);
  demand -= 0.25 * delay + (stock < 0.15 ? 0.2 : 0);
  return demand;
}

/** Shares of the levels from the lowest: about 0.10, 0.20, 0.38, 0.21 and 0.11. */
const LEVEL_BOUNDS = [-0.9, -0.36, 0.42, 0.98];

function levelOf(demand: number): number {
  return LEVEL_BOUNDS.filter((bound) => demand >= bound).length;
}
