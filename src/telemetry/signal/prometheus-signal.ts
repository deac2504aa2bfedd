import type { Signal } from '../../circuit/types.js';
import { type Clock, systemClock } from '../../clock.js';
import { Warnings } from '../warnings.js';
import { type PrometheusSignalOptions, type SignalSettings, signalSettings } from './options.js';
import { askPrometheus } from './query.js';

export type { PrometheusSignalOptions } from './options.js';

/** A signal that queries Prometheus. Made by {@link prometheusSignal}. */
export interface PrometheusSignal extends Signal, Disposable {
  /** The last value; undefined before the first answer. */
  readonly value: number | undefined;
  /** The present error of Prometheus or of its answer; undefined while it answers well. */
  readonly trouble: string | undefined;
  /** Ends the queries; the alarm is off from then on. */
  close(): void;
}

/**
 * A signal for the trip rule `signal()`. It queries Prometheus at intervals, and its alarm is on while the value has been above a
 * threshold for `forMs`. So a circuit can follow an objective of the whole fleet, not only its own calls.
 *
 * A Prometheus that is down, slow or answers nonsense (no value, several values, NaN) changes nothing until the last good value is
 * too old: then the alarm is off. The error is reported once, and again when it changes.
 * @example
 * const p99 = prometheusSignal({ url: 'http://prometheus:9090', query, threshold: 0.8, forMs: 60_000 });
 * createGuard({ circuit: { trip: [...defaults.trip, signal(p99)] } });
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option
 */
export function prometheusSignal(options: PrometheusSignalOptions): PrometheusSignal {
  return new PolledSignal(signalSettings(options), options);
}

/** Waiting for the next query keeps no process alive. */
const BACKGROUND = true;

class PolledSignal implements PrometheusSignal {
  readonly #settings: SignalSettings;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #warnings: Warnings;
  readonly #closed = new AbortController();
  #stopTimer: () => void = () => {};
  #value: number | undefined;
  #trouble: string | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** The time since which the value is above the threshold, by the clock; undefined while it is not. */
  #aboveSinceMs: number | undefined;
  #alarm: string | undefined;

  constructor(settings: SignalSettings, { clock, random, onWarning }: PrometheusSignalOptions) {
    this.#settings = settings;
    this.#clock = clock ?? systemClock;
    this.#random = random ?? Math.random;
    this.#warnings = new Warnings(onWarning);
    // at a random time, so that the processes of a deployment do not ask at the same moment
    this.#askIn(settings.intervalMs * this.#random());
  }

  get value(): number | undefined {
    return this.#value;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Read at the end of each call: the clock is read only while the alarm is on. */
  get alarm(): string | undefined {
    if (this.#alarm === undefined) return undefined;
    return this.#clock.now() - this.#readAtMs <= this.#settings.staleAfterMs ? this.#alarm : undefined;
  }

  close(): void {
    this.#closed.abort();
    this.#stopTimer();
    this.#alarm = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #askIn(delayMs: number): void {
    this.#stopTimer = this.#clock.setTimer(() => void this.#ask(), delayMs, BACKGROUND);
  }

  async #ask(): Promise<void> {
    const { intervalMs } = this.#settings;
    try {
      this.#take(await askPrometheus(this.#settings, this.#closed.signal));
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#fail(error);
    }
    if (!this.#closed.signal.aborted) this.#askIn(intervalMs * (0.9 + 0.2 * this.#random()));
  }

  #take(value: number): void {
    if (this.#closed.signal.aborted) return;
    const { name, threshold, forMs, staleAfterMs } = this.#settings;
    const nowMs = this.#clock.now();
    // a value that was above the threshold before a long silence may have been below it meanwhile
    if (nowMs - this.#readAtMs > staleAfterMs) this.#aboveSinceMs = undefined;
    this.#trouble = undefined;
    this.#value = value;
    this.#readAtMs = nowMs;
    if (value > threshold) this.#aboveSinceMs ??= nowMs;
    else this.#aboveSinceMs = undefined;
    const aboveMs = this.#aboveSinceMs === undefined ? -1 : nowMs - this.#aboveSinceMs;
    this.#alarm =
      aboveMs >= forMs
        ? `${name} ${figure(value)} > ${figure(threshold)} for ${Math.round(aboveMs / 1000)} s`
        : undefined;
  }

  #fail(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error);
    const isNew = trouble !== this.#trouble;
    this.#trouble = trouble;
    if (isNew) this.#warnings.report(error, `prometheusSignal ${this.#settings.name}`);
  }
}

/** Rounds to four significant digits. */
function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
