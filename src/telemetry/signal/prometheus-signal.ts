import type { Signal } from '../../circuit/types.js';
import { type Clock, systemClock } from '../../clock.js';
import { Warnings } from '../warnings.js';
import { type PrometheusSignalOptions, type SignalSettings, signalSettings } from './options.js';
import { askPrometheus } from './query.js';

export type { PrometheusSignalOptions } from './options.js';

/** A signal that asks Prometheus. Made by {@link prometheusSignal}. */
export interface PrometheusSignal extends Signal, Disposable {
  /** The last value; undefined before the first. */
  readonly value: number | undefined;
  /** What is wrong with Prometheus or its answer now; undefined while it answers well. */
  readonly trouble: string | undefined;
  /** Asks no more, and has no alarm any more. */
  close(): void;
}

/**
 * A signal for the trip rule `signal()`: asks a Prometheus at intervals, and has an alarm while the value of a query has been
 * above a threshold for `forMs`. So a circuit can follow an objective of the whole fleet, not only its own calls.
 *
 * A Prometheus that is down, slow or answers nonsense (no value, several values, NaN) changes nothing, until the last good
 * value is too old: then there is no alarm. It is reported once, and again when it fails in another way.
 * @example
 * const p99 = prometheusSignal({ url: 'http://prometheus:9090', query, threshold: 0.8, forMs: 60_000 });
 * createGuard({ circuit: { trip: [...defaults.trip, signal(p99)] } });
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the option
 */
export function prometheusSignal(options: PrometheusSignalOptions): PrometheusSignal {
  return new PolledSignal(signalSettings(options), options);
}

/** As the system's clock, with timers that keep no process alive. */
const unreferenced: Pick<Clock, 'now' | 'setTimer'> = {
  now: systemClock.now,
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

class PolledSignal implements PrometheusSignal {
  readonly #settings: SignalSettings;
  readonly #clock: Pick<Clock, 'now' | 'setTimer'>;
  readonly #random: () => number;
  readonly #warnings: Warnings;
  readonly #closed = new AbortController();
  #stopTimer: () => void = () => {};
  #value: number | undefined;
  #trouble: string | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the value is above the threshold; undefined while it is not. */
  #aboveSinceMs: number | undefined;
  #alarm: string | undefined;

  constructor(settings: SignalSettings, { clock, random, onWarning }: PrometheusSignalOptions) {
    this.#settings = settings;
    this.#clock = clock ?? unreferenced;
    this.#random = random ?? Math.random;
    this.#warnings = new Warnings(onWarning);
    // not all processes of a deployment at the same moment
    this.#askIn(settings.intervalMs * this.#random());
  }

  get value(): number | undefined {
    return this.#value;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Read at the end of calls; the clock is read only where there is an alarm. */
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
    this.#stopTimer = this.#clock.setTimer(() => void this.#ask(), delayMs);
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
    // what was above the threshold before a long silence may have been below it meanwhile
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

/** At most four digits that count. */
function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
