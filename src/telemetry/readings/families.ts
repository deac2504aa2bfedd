import type { CircuitSnapshot, CircuitStateName } from '../../circuit/types.js';
import { ANSWER_FAMILIES } from './answer-families.js';
import { type Family, named, type Sample } from './family.js';
import type { Reading } from './reader.js';
import { discountedOf, OTHER } from './sums.js';

export const STATES: readonly CircuitStateName[] = ['closed', 'open', 'half-open', 'recovering'];

/** The samples of each circuit with a label, then of all others. */
function perCircuit(
  { circuits, others }: Reading,
  own: (snapshot: CircuitSnapshot) => Iterable<readonly [labels: Record<string, string>, value: number]>,
  rest: (
    others: NonNullable<Reading['others']>,
  ) => Iterable<readonly [labels: Record<string, string>, value: number]> = () => [],
): Sample[] {
  const samples: Sample[] = [];
  for (const { label, snapshot } of circuits) {
    for (const [labels, value] of own(snapshot))
      samples.push({ labels: { circuit: label, ...labels }, value });
  }
  if (others !== undefined) {
    for (const [labels, value] of rest(others))
      samples.push({ labels: { circuit: OTHER, ...labels }, value });
  }
  return samples;
}

/** 0 or 1 for each circuit and state; for `_other`, how many circuits are in the state. */
export const circuitState: Family = {
  name: 'circuit.state',
  type: 'gauge',
  unit: '{circuit}',
  help: '1 for the state that the circuit is in, 0 for the others; of _other, how many circuits are in it.',
  labels: ['circuit', 'state'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ state }) => STATES.map((name) => [{ state: name }, name === state ? 1 : 0] as const),
      ({ now }) => named('state', now.states),
    ),
};

const circuits: Family = {
  name: 'circuits',
  type: 'gauge',
  unit: '{circuit}',
  help: 'How many circuits are in a state; isolated circuits are counted in their state too.',
  labels: ['state'],
  samples: ({ all }) =>
    [...named('state', all.states), [{ state: 'isolated' }, all.isolated] as const].map(
      ([labels, value]) => ({
        labels,
        value,
      }),
    ),
};

const isolated: Family = {
  name: 'circuit.isolated',
  type: 'gauge',
  unit: '{circuit}',
  help: '1 while the circuit is isolated by hand; of _other, how many circuits are.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(
      reading,
      (snapshot) => [[{}, snapshot.isolated > 0 ? 1 : 0]],
      ({ now }) => [[{}, now.isolated]],
    ),
};

const opened: Family = {
  name: 'opened',
  type: 'counter',
  unit: '{opening}',
  help: 'How often the circuit opened.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ totals }) => [[{}, totals.opened]],
      ({ totals }) => [[{}, totals.opened]],
    ),
};

const transitions: Family = {
  name: 'transitions',
  type: 'counter',
  unit: '{transition}',
  help: 'How often the circuit changed its state, by the trip rule; probe, reset, restored or none for other changes.',
  labels: ['circuit', 'from', 'to', 'rule'],
  samples: ({ transitions: rows }) =>
    rows.map(({ circuitKey: circuit, from, to, rule, count }) => ({
      labels: { circuit, from, to, rule },
      value: count,
    })),
};

const calls: Family = {
  name: 'calls',
  type: 'counter',
  unit: '{call}',
  help: 'Calls that the circuit admitted, by their outcome.',
  labels: ['circuit', 'outcome'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ totals }) => named('outcome', totals.outcomes),
      ({ totals }) => named('outcome', totals.outcomes),
    ),
};

const rejected: Family = {
  name: 'rejected',
  type: 'counter',
  unit: '{call}',
  help: 'Calls that the circuit rejected, by the reason. In mode observe: calls that it would have rejected.',
  labels: ['circuit', 'reason'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ totals }) => named('reason', totals.rejected).filter(([, value]) => value > 0),
      ({ totals }) => named('reason', totals.rejected).filter(([, value]) => value > 0),
    ),
};

const discounted: Family = {
  name: 'discounted',
  type: 'counter',
  unit: '{call}',
  help: 'Calls whose end was no full evidence, by the reason: stale, correlated, connecting, stalled, not-sent. They explain why no rule tripped.',
  labels: ['circuit', 'kind'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ totals }) => named('kind', discountedOf(totals)).filter(([, value]) => value > 0),
      ({ totals }) => named('kind', totals.discounted).filter(([, value]) => value > 0),
    ),
};

const failureRate: Family = {
  name: 'failure_rate',
  type: 'gauge',
  unit: '1',
  help: 'Share of failures and overloads in the window, 0 to 1; of _other, over the windows of its circuits together.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(
      reading,
      ({ window }) => [[{}, window.failureRate]],
      ({ now }) => [[{}, now.calls === 0 ? 0 : now.unhealthy / now.calls]],
    ),
};

const slowRate: Family = {
  name: 'slow_rate',
  type: 'gauge',
  unit: '1',
  help: 'Share of slow calls in the window, 0 to 1; only of circuits with a slow-rate rule.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(reading, ({ window }) => (window.slowRate === null ? [] : [[{}, window.slowRate]])),
};

const latency: Family = {
  name: 'latency',
  type: 'gauge',
  unit: 's',
  help: 'Quantiles of the durations in the window, in seconds; _other has none, because quantiles cannot be added up.',
  labels: ['circuit', 'quantile'],
  samples: (reading) =>
    perCircuit(reading, ({ window: { latencyMs } }) =>
      latencyMs === null
        ? []
        : [
            [{ quantile: '0.5' }, latencyMs.p50 / 1000],
            [{ quantile: '0.9' }, latencyMs.p90 / 1000],
            [{ quantile: '0.99' }, latencyMs.p99 / 1000],
          ],
    ),
};

const openUntil: Family = {
  name: 'open_until',
  type: 'gauge',
  unit: 's',
  help: 'The time at which an open circuit will admit a probe, in seconds since the epoch; only of open circuits.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(reading, ({ openUntilMs }) => (openUntilMs === null ? [] : [[{}, openUntilMs / 1000]])),
};

const inFlight: Family = {
  name: 'in_flight',
  type: 'gauge',
  unit: '{call}',
  help: 'Calls that were admitted and have not ended.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(
      reading,
      (snapshot) => [[{}, snapshot.inFlight]],
      ({ now }) => [[{}, now.inFlight]],
    ),
};

const concurrencyLimit: Family = {
  name: 'concurrency_limit',
  type: 'gauge',
  unit: '{call}',
  help: 'How many calls the circuit admits at a time; only of circuits with a limit.',
  labels: ['circuit'],
  samples: (reading) =>
    perCircuit(reading, (snapshot) =>
      snapshot.concurrencyLimit === undefined ? [] : [[{}, snapshot.concurrencyLimit]],
    ),
};

const probes: Family = {
  name: 'probes',
  type: 'counter',
  unit: '{probe}',
  help: 'Probes and readiness checks, by their kind (call, synthetic, readiness) and their outcome.',
  labels: ['circuit', 'kind', 'outcome'],
  samples: ({ probes: rows }) =>
    rows.map(({ circuitKey: circuit, kind, outcome, count }) => ({
      labels: { circuit, kind, outcome },
      value: count,
    })),
};

export const CIRCUIT_FAMILIES: readonly Family[] = [
  opened,
  transitions,
  calls,
  rejected,
  discounted,
  ...ANSWER_FAMILIES,
  failureRate,
  slowRate,
  latency,
  openUntil,
  inFlight,
  concurrencyLimit,
  probes,
  isolated,
  circuits,
];
