import { type Attributes, type MeterProvider, metrics } from '@opentelemetry/api';
import { checkBoolean, checkFunction, checkInteger, checkKeys } from '../../checks.js';
import { invalid } from '../../errors.js';
import { isMeteredGuard, type MeteredGuard, type MeteredQueue } from '../readings/metered-guard.js';
import { GuardReader } from '../readings/reader.js';
import { observeGuard } from './instruments.js';
import { annotateSpans } from './spans.js';

/** Options of {@link openTelemetry}. */
export interface OpenTelemetryOptions {
  /** Makes the instruments. @default the global meter provider, which the SDK must have set before */
  readonly meterProvider?: MeterProvider;
  /** Attributes on every measurement, such as the name of the guard where a process has several. @default none */
  readonly attributes?: Attributes;
  /**
   * The most circuits, and the most methods, with series of their own, at most 500, evicted circuits included: the SDK never forgets
   * a series, keeps 2,000 series of an instrument, and a circuit can have six series of an instrument. The others are summed as
   * `_other`.
   * @default 300
   */
  readonly maxCircuits?: number;
  /** Deferred queues by their attribute `failsoft.queue`: `failsoft.queue.jobs` and `failsoft.queue.size`. @default none */
  readonly queues?: Readonly<Record<string, MeteredQueue>>;
  /** Whether a call's source, circuit and cause are written on the active span. @default true */
  readonly spans?: boolean;
}

/** The instruments of a guard. */
export interface OpenTelemetry extends Disposable {
  /** Unregisters the instruments' callbacks; spans get no more attributes. Closing twice does nothing. */
  close(): void;
}

const KEYS = ['meterProvider', 'attributes', 'maxCircuits', 'queues', 'spans'];
const MOST_CIRCUITS = 500;

/**
 * Registers the metrics of a guard as observable instruments, which cost a call nothing. It also writes attributes on the span that
 * is active where a call is made (`failsoft.source`, `failsoft.circuit`, `failsoft.cause`), and an event for each transition of a
 * circuit that the call caused. A call that a fallback answered is no error on that span.
 * @example openTelemetry(guard);
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option
 */
export function openTelemetry(guard: MeteredGuard, options: OpenTelemetryOptions = {}): OpenTelemetry {
  if (!isMeteredGuard(guard)) throw invalid('openTelemetry(guard)', 'a guard', guard);
  checkKeys('options', options, KEYS);
  const { meterProvider = metrics.getMeterProvider(), attributes = {}, queues = {}, spans = true } = options;
  checkFunction('options.meterProvider.getMeter', meterProvider?.getMeter);
  const maxCircuits = checkInteger('options.maxCircuits', options.maxCircuits ?? 300, 0, MOST_CIRCUITS);
  for (const [name, value] of Object.entries({ attributes, queues }))
    if (typeof value !== 'object' || value === null) throw invalid(`options.${name}`, 'an object', value);
  for (const [name, queue] of Object.entries(queues))
    checkFunction(`options.queues.${name}.counts`, queue?.counts);
  checkBoolean('options.spans', spans);
  // an SDK never forgets a series: an evicted circuit makes no room for another
  const reader = new GuardReader(guard, maxCircuits, false);
  const closers = [() => reader.close()];
  closers.push(observeGuard(meterProvider.getMeter('failsoft'), reader, queues, { ...attributes }));
  if (spans) closers.push(annotateSpans(guard));
  const close = () => {
    for (const each of closers.splice(0)) each();
  };
  return { close, [Symbol.dispose]: close };
}
