import type { LabelledInput } from '../src/testing/demand/inputs.js';
import { argmax, type NetworkWeights, predict, softmax } from '../src/testing/demand/network.js';
import { seededRandom } from '../src/testing/random.js';

export interface TrainingPlan {
  readonly features: readonly number[];
  /** Widths of the hidden layers; an empty list makes a linear model. */
  readonly hidden: readonly number[];
  readonly classes: number;
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** A layer in training: rows of weights with the bias last, and Adam's two moments beside each value. */
interface LearningLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly values: Float64Array;
  readonly gradient: Float64Array;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

const BATCH = 32;
const BETA_MEAN = 0.9;
const BETA_VARIANCE = 0.999;
/** Committed weights are rounded so that the files stay small. */
const DECIMALS = 4;

/** Trains a classifier by back-propagation with Adam. The same plan and samples give the same weights, bit for bit. */
export function train(
  plan: TrainingPlan,
  samples: readonly LabelledInput[],
  heldOut: readonly LabelledInput[],
): NetworkWeights {
  const random = seededRandom(plan.seed);
  const widths = [plan.features.length, ...plan.hidden, plan.classes];
  const layers = widths.slice(1).map((outputs, index) => newLayer(widths[index] ?? 0, outputs, random));
  const order = samples.map((_, index) => index);
  let step = 0;
  let meanDecay = 1;
  let varianceDecay = 1;
  const steps = plan.epochs * Math.ceil(samples.length / BATCH);
  for (let epoch = 0; epoch < plan.epochs; epoch++) {
    shuffle(order, random);
    for (let start = 0; start < order.length; start += BATCH) {
      const batch = order.slice(start, start + BATCH);
      for (const index of batch) {
        const sample = samples[index];
        if (sample) backPropagate(layers, plan.features, sample);
      }
      meanDecay *= BETA_MEAN;
      varianceDecay *= BETA_VARIANCE;
      const rate =
        (plan.learningRate * (1 - step++ / steps) * Math.sqrt(1 - varianceDecay)) / (1 - meanDecay);
      for (const layer of layers) update(layer, rate, batch.length);
    }
  }
  const weights = { features: plan.features, layers: layers.map(rounded) };
  const heldOutAccuracy = accuracy({ ...weights, heldOutAccuracy: 0 }, heldOut);
  return { ...weights, heldOutAccuracy };
}

/** The share of inputs whose level the network predicts correctly. */
export function accuracy(network: NetworkWeights, inputs: readonly LabelledInput[]): number {
  return (
    inputs.filter(({ features, level }) => argmax(predict(network, features)) === level).length /
    inputs.length
  );
}

function newLayer(inputs: number, outputs: number, random: () => number): LearningLayer {
  const size = (inputs + 1) * outputs;
  const spread = Math.sqrt(6 / inputs);
  const values = new Float64Array(size);
  for (let out = 0; out < outputs; out++) {
    for (let input = 0; input < inputs; input++) {
      values[out * (inputs + 1) + input] = spread * (2 * random() - 1);
    }
  }
  const zeros = () => new Float64Array(size);
  return { inputs, outputs, values, gradient: zeros(), mean: zeros(), variance: zeros() };
}

function shuffle(order: number[], random: () => number): void {
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
}

function backPropagate(
  layers: readonly LearningLayer[],
  features: readonly number[],
  sample: LabelledInput,
): void {
  const activations: Float64Array[] = [Float64Array.from(features, (index) => sample.features[index] ?? 0)];
  layers.forEach((layer, index) => {
    activations.push(forward(layer, activations[index] ?? new Float64Array(), index < layers.length - 1));
  });
  // The gradient of the cross-entropy at the softmax's inputs.
  let delta: Float64Array = Float64Array.from(softmax([...(activations.at(-1) ?? [])]));
  delta[sample.level] = (delta[sample.level] ?? 0) - 1;
  for (let index = layers.length - 1; index >= 0; index--) {
    const layer = layers[index];
    const input = activations[index];
    if (layer && input) delta = backward(layer, input, delta);
  }
}

function forward(layer: LearningLayer, input: Float64Array, relu: boolean): Float64Array {
  const output = new Float64Array(layer.outputs);
  for (let out = 0; out < layer.outputs; out++) {
    const row = out * (layer.inputs + 1);
    let sum = layer.values[row + layer.inputs] ?? 0;
    for (let index = 0; index < layer.inputs; index++) {
      sum += (layer.values[row + index] ?? 0) * (input[index] ?? 0);
    }
    output[out] = relu && sum < 0 ? 0 : sum;
  }
  return output;
}

/** Adds to the layer's gradient. Returns the gradient at its input, through the ReLU before it. */
function backward(layer: LearningLayer, input: Float64Array, delta: Float64Array): Float64Array {
  const before = new Float64Array(layer.inputs);
  const { gradient, values, inputs } = layer;
  for (let out = 0; out < layer.outputs; out++) {
    const error = delta[out] ?? 0;
    if (error === 0) continue;
    const row = out * (inputs + 1);
    for (let index = 0; index < inputs; index++) {
      const value = input[index] ?? 0;
      gradient[row + index] = (gradient[row + index] ?? 0) + error * value;
      if (value > 0) before[index] = (before[index] ?? 0) + error * (values[row + index] ?? 0);
    }
    gradient[row + inputs] = (gradient[row + inputs] ?? 0) + error;
  }
  return before;
}

function update(layer: LearningLayer, rate: number, samples: number): void {
  const { gradient, mean, variance, values } = layer;
  for (let index = 0; index < values.length; index++) {
    const slope = (gradient[index] ?? 0) / samples;
    gradient[index] = 0;
    mean[index] = BETA_MEAN * (mean[index] ?? 0) + (1 - BETA_MEAN) * slope;
    variance[index] = BETA_VARIANCE * (variance[index] ?? 0) + (1 - BETA_VARIANCE) * slope * slope;
    const change = (rate * (mean[index] ?? 0)) / (Math.sqrt(variance[index] ?? 0) + 1e-8);
    values[index] = (values[index] ?? 0) - change;
  }
}

function rounded(layer: LearningLayer) {
  const scale = 10 ** DECIMALS;
  const weights: number[][] = [];
  const biases: number[] = [];
  for (let out = 0; out < layer.outputs; out++) {
    const start = out * (layer.inputs + 1);
    // Adding 0 turns -0, which JSON does not have, into 0.
    const row = Array.from(layer.values.subarray(start, start + layer.inputs + 1), (value) => {
      return Math.round(value * scale) / scale + 0;
    });
    biases.push(row.pop() ?? 0);
    weights.push(row);
  }
  return { weights, biases };
}
