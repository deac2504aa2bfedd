import type { Reading } from './reader.js';

/** A value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric, described for all exporters. */
export interface Family {
  /** `circuit.state`: for Prometheus `failsoft_circuit_state`, for OpenTelemetry `failsoft.circuit.state`. */
  readonly name: string;
  /** A counter's samples never fall. */
  readonly type: 'counter' | 'gauge';
  /** The unit in UCUM, as OpenTelemetry writes it: `s`, `By`, `1` for a share, `{call}`. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly string[];
  samples(reading: Reading): Sample[];
}

/** The values of a record, each with its key as the label of this name. */
export const named = (name: string, values: Readonly<Record<string, number>> = {}) =>
  Object.entries(values).map(([key, value]) => [{ [name]: key }, value] as const);

/** Adds up samples with the same labels. The labels must stand in the same order. */
export function summed(samples: Iterable<Sample>): Sample[] {
  const sums = new Map<string, { labels: Sample['labels']; value: number }>();
  for (const { labels, value } of samples) {
    const key = JSON.stringify(labels);
    const sum = sums.get(key) ?? { labels, value: 0 };
    sum.value += value;
    sums.set(key, sum);
  }
  return [...sums.values()];
}
