/** A fully connected layer: `outputs[j] = biases[j] + Σ weights[j][i] · inputs[i]`. */
export interface Layer {
  /** One row per output, with one number per input. */
  readonly weights: readonly (readonly number[])[];
  /** One number per output. */
  readonly biases: readonly number[];
}

/** A trained network. */
export interface NetworkWeights {
  /** Indices of the features that the model uses. */
  readonly features: readonly number[];
  /** Between two layers negative values become 0 (ReLU); after the last comes a softmax. */
  readonly layers: readonly Layer[];
  /** Share of right answers on inputs that were not used in training. */
  readonly heldOutAccuracy: number;
}

/** The probability of each class for an input. */
export function predict(network: NetworkWeights, input: readonly number[]): number[] {
  let values = network.features.map((index) => input[index] ?? 0);
  network.layers.forEach((layer, index) => {
    const sums = layer.weights.map((row, out) => dot(row, values) + (layer.biases[out] ?? 0));
    values = index < network.layers.length - 1 ? sums.map((sum) => Math.max(0, sum)) : sums;
  });
  return softmax(values);
}

/** The index of the largest value; of equal values the first. */
export function argmax(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? -Infinity) ? index : best), 0);
}

export function softmax(values: readonly number[]): number[] {
  const top = Math.max(...values);
  const exponentials = values.map((value) => exponential(value - top));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function dot(row: readonly number[], values: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < row.length; index++) sum += (row[index] ?? 0) * (values[index] ?? 0);
  return sum;
}

/**
 * e^x for x <= 0, by additions and multiplications only. `Math.exp` may differ in the last bit between engines, and training
 * would turn that into different weights.
 */
function exponential(x: number): number {
  if (x < -60) return 0;
  const small = x / 1024;
  let power = 1 + small * (1 + (small / 2) * (1 + (small / 3) * (1 + small / 4)));
  for (let doubling = 0; doubling < 10; doubling++) power *= power;
  return power;
}
