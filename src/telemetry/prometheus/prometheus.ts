import { register as globalRegistry } from 'prom-client';
import { checkFunction, checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { invalid } from '../../errors.js';
import { isMeteredGuard, type MeteredGuard, type MeteredQueue } from '../readings/metered-guard.js';
import { GuardReader } from '../readings/reader.js';
import { observeDurations } from './call-durations.js';
import { type AnyRegistry, OWN_LABELS, RegisteredFamilies } from './registered-families.js';

/** Options of {@link prometheus}. */
export interface PrometheusOptions {
  /** The registry of the metrics. @default prom-client's global `register` */
  readonly register?: AnyRegistry;
  /**
   * Labels on every series, such as `{ guard: 'search' }`. Several guards in the same registry need them: each guard must have the
   * same label names, with different values. @default none
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The most circuits, and the most methods, with series of their own. The others are summed under the label `_other`. A
   * circuit keeps its series, or its place in the sum, until it is evicted. @default 500
   */
  readonly maxCircuits?: number;
  /**
   * Whether there is a histogram `failsoft_call_duration_seconds{method,outcome}`. It costs each call about a microsecond; all other
   * metrics are read when they are scraped. An array gives the buckets, in seconds. @default false
   */
  readonly callDurations?: boolean | readonly number[];
  /**
   * Deferred queues by the value of their label `queue`: `failsoft_queue_jobs{queue,state}` and `failsoft_queue_bytes{queue}`.
   * @default none
   */
  readonly queues?: Readonly<Record<string, MeteredQueue>>;
}

/** The metrics of a guard in a registry. */
export interface Metrics extends Disposable {
  /** Removes the guard's series, and with the last guard of the registry the metrics too. Closing twice does nothing. */
  close(): void;
}

const KEYS = ['register', 'labels', 'maxCircuits', 'callDurations', 'queues'];

/**
 * Registers the metrics of a guard with prom-client. They are read from the guard's totals at each scrape, so a call costs
 * nothing.
 * @example prometheus(guard, { register });
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, also where the registry has the metrics already: of this guard, or of
 *   another guard without different `labels`
 */
export function prometheus(guard: MeteredGuard, options: PrometheusOptions = {}): Metrics {
  if (!isMeteredGuard(guard)) throw invalid('prometheus(guard)', 'a guard', guard);
  checkKeys('options', options, KEYS);
  const { register = globalRegistry, labels = {}, maxCircuits = 500, queues = {} } = options;
  checkFunction('options.register.registerMetric', register?.registerMetric);
  checkLabels(labels);
  checkQueues(queues);
  checkInteger('options.maxCircuits', maxCircuits, 0, 100_000);
  const buckets = checkBuckets(options.callDurations);
  const families = RegisteredFamilies.of(register, labels);
  const closers: (() => void)[] = [];
  const close = () => {
    for (const each of closers.splice(0).reverse()) each();
  };
  try {
    const reader = new GuardReader(guard, maxCircuits);
    closers.push(() => reader.close());
    // copies, because a label that the user adds later would make every scrape fail
    closers.push(families.add({ guard, reader, labels: { ...labels }, queues: { ...queues } }));
    if (buckets !== undefined)
      closers.push(observeDurations(guard, families, { ...labels }, buckets, maxCircuits));
  } catch (error) {
    close();
    throw error;
  }
  return { close, [Symbol.dispose]: close };
}

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function checkLabels(labels: unknown): void {
  if (typeof labels !== 'object' || labels === null) throw invalid('options.labels', 'an object', labels);
  for (const [name, value] of Object.entries(labels)) {
    if (!LABEL_NAME.test(name)) throw invalid('options.labels', 'names of letters, digits and _', name);
    if (OWN_LABELS.has(name)) throw invalid('options.labels', 'names that no metric of failsoft has', name);
    if (typeof value !== 'string') throw invalid(`options.labels.${name}`, 'a string', value);
  }
}

function checkQueues(queues: unknown): void {
  if (typeof queues !== 'object' || queues === null) throw invalid('options.queues', 'an object', queues);
  for (const [name, queue] of Object.entries(queues)) {
    checkFunction(`options.queues.${name}.counts`, queue?.counts);
  }
}

/** In seconds, from a fast model to a slow model. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

function checkBuckets(wanted: unknown): readonly number[] | undefined {
  if (wanted === undefined || wanted === false) return undefined;
  if (wanted === true) return BUCKETS;
  const field = 'options.callDurations';
  if (!Array.isArray(wanted) || wanted.length === 0)
    throw invalid(field, 'a boolean, or the buckets in seconds', wanted);
  wanted.forEach((bound: unknown, index) => {
    checkNumber(`${field}[${index}]`, bound, 0);
    if (index > 0 && !(Number(bound) > Number(wanted[index - 1])))
      throw invalid(`${field}[${index}]`, 'more than the bucket before it', bound);
  });
  return [...wanted];
}
