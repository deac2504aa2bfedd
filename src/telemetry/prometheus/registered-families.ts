import {
  Counter,
  Gauge,
  Histogram,
  type Metric,
  type OpenMetricsContentType,
  type PrometheusContentType,
  type Registry,
} from 'prom-client';
import { invalid } from '../../errors.js';
import { CIRCUIT_FAMILIES, circuitState } from '../readings/families.js';
import type { Family, Sample } from '../readings/family.js';
import type { MeteredGuard, MeteredQueue } from '../readings/metered-guard.js';
import { onceATurn } from '../readings/once-a-turn.js';
import { readQueues } from '../readings/queues.js';
import type { GuardReader, Reading } from '../readings/reader.js';
import { STORE_FAMILIES } from '../readings/store-families.js';
import { Warnings } from '../warnings.js';

/** A guard whose metrics are in a registry. */
export interface Member {
  readonly guard: MeteredGuard;
  readonly reader: GuardReader;
  readonly labels: Readonly<Record<string, string>>;
  readonly queues: Readonly<Record<string, MeteredQueue>>;
}

const FAMILIES: readonly Family[] = [circuitState, ...CIRCUIT_FAMILIES, ...STORE_FAMILIES];

/** A registry of either format. */
export type AnyRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;

const known = new WeakMap<AnyRegistry, RegisteredFamilies>();

/** The metrics of all guards of one registry. */
export class RegisteredFamilies {
  readonly register: AnyRegistry;
  /** The names of the labels that each member has. */
  readonly labelNames: readonly string[];
  readonly #members = new Set<Member>();
  readonly #metrics = new Map<string, Metric>();
  #durations: Histogram | undefined;
  readonly #warnings = new Warnings();
  /** One reading for all metrics of a scrape. */
  readonly #readings = onceATurn(() =>
    [...this.#members].flatMap((member) =>
      this.#safely(() => [[member, member.reader.read()] satisfies [Member, Reading]]),
    ),
  );

  private constructor(register: AnyRegistry, labelNames: readonly string[]) {
    this.register = register;
    this.labelNames = labelNames;
  }

  /**
   * The metrics of a registry, which are made for its first guard.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
   */
  static of(register: AnyRegistry, labels: Member['labels']): RegisteredFamilies {
    const labelNames = Object.keys(labels).sort();
    const families = known.get(register);
    if (families === undefined || families.#wasCleared) return new RegisteredFamilies(register, labelNames);
    if (labelNames.length === 0)
      throw invalid('options.labels', "labels that differ from those of the registry's other guard", labels);
    if (labelNames.join() !== families.labelNames.join()) {
      const expected = `the labels ${families.labelNames.join(', ') || '(none)'} of the registry's other guards`;
      throw invalid('options.labels', expected, labels);
    }
    return families;
  }

  /** @returns a function that removes the member */
  add(member: Member): () => void {
    for (const other of this.#members) {
      if (other.guard === member.guard)
        throw invalid('options.register', 'a registry without the metrics of this guard', this.register);
      if (
        this.labelNames.length > 0 &&
        this.labelNames.every((name) => other.labels[name] === member.labels[name])
      )
        throw invalid('options.labels', 'other values than those of another guard', member.labels);
    }
    if (this.#members.size === 0) this.#make();
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
      if (this.#members.size > 0) return;
      // the registry may have been cleared, and have another metric of that name
      for (const [name, metric] of this.#metrics)
        if (this.register.getSingleMetric(name) === metric) this.register.removeSingleMetric(name);
      this.#metrics.clear();
      if (known.get(this.register) === this) known.delete(this.register);
    };
  }

  /** The histogram of calls' durations, made at the first call of this function. @param buckets in seconds */
  durations(buckets: readonly number[]): Histogram {
    if (this.#durations === undefined) {
      this.#checkName(DURATIONS);
      this.#durations = new Histogram({
        name: DURATIONS,
        help: 'Time from a call to its end, as its caller sees it, by the outcome; rejected: a circuit did not admit the call.',
        labelNames: [...this.labelNames, 'method', 'outcome'],
        buckets: [...buckets],
        registers: [this.register],
      });
      this.#metrics.set(DURATIONS, this.#durations);
    }
    return this.#durations;
  }

  get #wasCleared(): boolean {
    for (const [name, metric] of this.#metrics) return this.register.getSingleMetric(name) !== metric;
    return false;
  }

  #checkName(name: string): void {
    if (this.register.getSingleMetric(name) !== undefined)
      throw invalid('options.register', `a registry without a metric ${name}`, this.register);
  }

  #make(): void {
    const names = FAMILIES.map(nameOf);
    for (const name of [...names, QUEUE_JOBS, QUEUE_BYTES]) this.#checkName(name);
    known.set(this.register, this);
    for (const family of FAMILIES) this.#metrics.set(nameOf(family), this.#metricOf(family));
    this.#addQueueMetrics();
  }

  #metricOf(family: Family): Metric {
    const readAll = () => this.#readAll(family);
    const config = {
      name: nameOf(family),
      help: family.help,
      labelNames: [...this.labelNames, ...family.labels],
      registers: [this.register],
    };
    if (family.type === 'counter') {
      return new Counter({
        ...config,
        collect() {
          this.reset();
          for (const { labels, value } of readAll()) this.inc(labels, value);
        },
      });
    }
    return new Gauge({
      ...config,
      collect() {
        this.reset();
        for (const { labels, value } of readAll()) this.set(labels, value);
      },
    });
  }

  /** The samples of all guards. A value that prom-client refuses is left out. */
  *#readAll(family: Family): Iterable<Sample> {
    for (const [{ labels: own }, reading] of this.#readings()) {
      for (const sample of this.#safely(() => family.samples(reading))) {
        if (!Number.isFinite(sample.value) || (family.type === 'counter' && sample.value < 0)) continue;
        // a guard without labels of its own costs no copies
        if (this.labelNames.length === 0) yield sample;
        else yield { labels: { ...own, ...sample.labels }, value: sample.value };
      }
    }
  }

  /** Reports errors in place of throwing them: an error at a scrape would cost the user all metrics of the registry. */
  #safely<T>(read: () => readonly T[]): readonly T[] {
    try {
      return read();
    } catch (error) {
      this.#warnings.report(error, 'prometheus()');
      return [];
    }
  }

  #addQueueMetrics(): void {
    const read = onceATurn(() => readQueues(this.#members));
    const { register } = this;
    this.#metrics.set(
      QUEUE_JOBS,
      new Gauge({
        name: QUEUE_JOBS,
        help: 'Jobs of a deferred queue: waiting, active (taken and not finished) or dead (given up).',
        labelNames: [...this.labelNames, 'queue', 'state'],
        registers: [register],
        async collect() {
          const readings = await read();
          this.reset();
          for (const { labels, counts } of readings) {
            for (const state of ['waiting', 'active', 'dead'] as const)
              this.set({ ...labels, state }, counts[state]);
          }
        },
      }),
    );
    this.#metrics.set(
      QUEUE_BYTES,
      new Gauge({
        name: QUEUE_BYTES,
        help: 'The size of the waiting and active jobs of a deferred queue, in bytes.',
        labelNames: [...this.labelNames, 'queue'],
        registers: [register],
        async collect() {
          const readings = await read();
          this.reset();
          for (const { labels, counts } of readings) this.set(labels, counts.bytes);
        },
      }),
    );
  }
}

const QUEUE_JOBS = 'failsoft_queue_jobs';
const QUEUE_BYTES = 'failsoft_queue_bytes';
const DURATIONS = 'failsoft_call_duration_seconds';

/** The names of labels that the metrics have by themselves. */
export const OWN_LABELS: ReadonlySet<string> = new Set([
  ...FAMILIES.flatMap(({ labels }) => labels),
  ...['queue', 'state', 'outcome', 'le'],
]);

const SUFFIXES: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** `open_until` in seconds -> `failsoft_open_until_seconds`; `calls` -> `failsoft_calls_total` */
function nameOf({ name, type, unit }: Family): string {
  const suffix = type === 'counter' ? '_total' : (SUFFIXES[unit] ?? '');
  return `failsoft_${name.replaceAll('.', '_')}${suffix}`;
}
