import type { Attributes, BatchObservableCallback, Meter, Observable } from '@opentelemetry/api';
import { CIRCUIT_FAMILIES, circuitState } from '../readings/families.js';
import type { Family, Sample } from '../readings/family.js';
import type { MeteredQueue } from '../readings/metered-guard.js';
import { readQueues } from '../readings/queues.js';
import type { GuardReader, Reading } from '../readings/reader.js';
import { STORE_FAMILIES } from '../readings/store-families.js';
import { attributesOf } from './attributes.js';
import { TroubledStates } from './troubled-states.js';
import { Vanished } from './vanished.js';

const FAMILIES: readonly Family[] = [...CIRCUIT_FAMILIES, ...STORE_FAMILIES];

/**
 * Makes the observable instruments of a guard. The SDK reads them when it exports, so that a call costs nothing.
 * @param attributes on every measurement
 * @returns a function that unregisters them
 */
export function observeGuard(
  meter: Meter,
  reader: GuardReader,
  queues: Readonly<Record<string, MeteredQueue>>,
  attributes: Attributes,
): () => void {
  const families = FAMILIES.map((family) => ({
    samples: samplesOf(family),
    instrument: instrumentOf(meter, family),
  }));
  const troubled = new TroubledStates();
  families.push({
    samples: samplesOf({ ...circuitState, samples: (reading) => troubled.samples(reading) }),
    instrument: meter.createObservableUpDownCounter('failsoft.circuit.state', {
      unit: circuitState.unit,
      description:
        '1 for the state that a circuit is in, 0 for the others; of circuits that are or were not closed.',
    }),
  });
  const jobs = meter.createObservableUpDownCounter('failsoft.queue.jobs', {
    unit: '{job}',
    description: 'Jobs of a deferred queue: waiting, active (taken and not finished) or dead (given up).',
  });
  const size = meter.createObservableUpDownCounter('failsoft.queue.size', {
    unit: 'By',
    description: 'The size of the waiting and active jobs of a deferred queue.',
  });
  const hasQueues = Object.keys(queues).length > 0;
  const observe: BatchObservableCallback = async (result) => {
    const reading = reader.read();
    for (const { samples, instrument } of families) {
      for (const { labels, value } of samples(reading)) {
        result.observe(instrument, value, { ...attributes, ...attributesOf(labels) });
      }
    }
    if (!hasQueues) return;
    for (const { labels, counts } of await readQueues([{ labels: {}, queues }])) {
      const own = { ...attributes, ...attributesOf(labels) };
      for (const state of ['waiting', 'active', 'dead'] as const)
        result.observe(jobs, counts[state], { ...own, 'failsoft.job.state': state });
      result.observe(size, counts.bytes, own);
    }
  };
  const instruments: Observable[] = [...families.map(({ instrument }) => instrument), jobs, size];
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

/**
 * The samples of a family. A series that has ended keeps its value where it is a counter, and is 0 where it is a gauge. A counter
 * of 0 gets no series, because the SDK keeps at most 2,000 series of an instrument.
 */
function samplesOf(family: Family): (reading: Reading) => Sample[] {
  if (family.type === 'counter') return (reading) => family.samples(reading).filter(({ value }) => value > 0);
  const vanished = new Vanished();
  return (reading) => vanished.with(family.samples(reading));
}

function instrumentOf(meter: Meter, family: Family): Observable {
  const name = `failsoft.${family.name}`;
  if (family.type === 'counter') return meter.createObservableCounter(name, describe(family));
  if (ADDABLE.has(family.name)) return meter.createObservableUpDownCounter(name, describe(family));
  return meter.createObservableGauge(name, describe(family));
}

/** Gauges that can be added up over circuits and processes; a share, a quantile or a time cannot. */
const ADDABLE = new Set(['circuits', 'circuit.isolated', 'in_flight', 'store.entries', 'store.size']);

function describe({ unit, help }: Family) {
  return { unit, description: help };
}
