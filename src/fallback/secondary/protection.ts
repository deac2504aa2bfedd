import { checkFunction, checkInteger } from '../../checks.js';
import type { Circuit, CircuitOptions } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import { type Clock, systemClock } from '../../clock.js';
import type { Engine } from '../../engines/engine.js';
import { nativeEngine } from '../../engines/native.js';
import { FailsoftError } from '../../errors.js';
import type { CircuitListener, IsolationEvent, TransitionEvent } from '../../telemetry/events.js';
import type { Warnings } from '../../telemetry/warnings.js';

/** Options of the circuit and the limit around the calls of a fallback, whose server may be down or overloaded too. */
export interface ProtectionOptions {
  /** Options of the fallback's own circuit; `false` for no circuit. @default a guard's defaults */
  readonly circuit?: CircuitOptions | false;
  /** The most calls of the fallback at a time. Above it the strategy fails at once, and the next strategy is asked. @default 64 */
  readonly maxConcurrent?: number;
  /** Makes the circuit. @default nativeEngine */
  readonly engine?: Engine;
  /** The clock of the circuit. @default systemClock */
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the circuit's jitter. @default Math.random */
  readonly random?: () => number;
  /** Called on every state change of this fallback's circuit. @default none */
  readonly onTransition?: (event: TransitionEvent) => void;
  /** Called when this fallback's circuit is isolated, and when it is released. @default none */
  readonly onIsolation?: (event: IsolationEvent) => void;
}

export const PROTECTION_KEYS = [
  'circuit',
  'maxConcurrent',
  'engine',
  'clock',
  'random',
  'onTransition',
  'onIsolation',
] as const;

/** An admitted call of a fallback. Ending it twice does nothing. */
export interface Admission {
  /** Its duration so far, in milliseconds. */
  readonly elapsedMs: number;
  end(outcome: Outcome, pushbackMs?: number): void;
}

/** A circuit and a limit around the calls of a fallback. */
export class Protection {
  readonly circuit: Circuit | undefined;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #maxConcurrent: number;
  readonly #followers = new Set<CircuitListener>();
  #inFlight = 0;

  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED by the engine */
  constructor(name: string, options: ProtectionOptions, warnings: Warnings) {
    this.#name = name;
    this.#clock = options.clock ?? systemClock;
    this.#maxConcurrent = checkInteger(`${name}.maxConcurrent`, options.maxConcurrent ?? 64, 1);
    for (const field of ['onTransition', 'onIsolation', 'random'] as const)
      if (options[field] !== undefined) checkFunction(`${name}.${field}`, options[field]);
    if (options.circuit === false) return;
    const source = `a listener of the circuit of ${name}`;
    const make = (options.engine ?? nativeEngine).configure(options.circuit, `${name}.circuit`);
    this.circuit = make(name, {
      clock: this.#clock,
      random: options.random ?? Math.random,
      report: (error, source) => warnings.report(error, source, name),
      listener: {
        transition: (event) => {
          for (const each of this.#followers) warnings.watch(() => each.transition(event), source);
          warnings.watch(() => options.onTransition?.(event), `onTransition of ${name}`);
        },
        isolation: (event) => {
          for (const each of this.#followers) warnings.watch(() => each.isolation(event), source);
          warnings.watch(() => options.onIsolation?.(event), `onIsolation of ${name}`);
        },
      },
    });
  }

  /** Calls a registry's listener at each change of the circuit. */
  follow(listener: CircuitListener): void {
    this.#followers.add(listener);
  }

  /** Number of its calls that run now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @throws FailsoftError FAILSOFT_REJECTED, with the rejection as its cause */
  begin(): Admission {
    if (this.#inFlight >= this.#maxConcurrent) {
      throw new FailsoftError(
        'FAILSOFT_REJECTED',
        `${this.#name}: CONCURRENCY_LIMIT of ${this.#maxConcurrent}`,
        {
          cause: { admitted: false, reason: 'CONCURRENCY_LIMIT', retryAfterMs: 0 },
        },
      );
    }
    const permit = this.circuit?.acquire();
    if (permit?.admitted === false)
      throw new FailsoftError('FAILSOFT_REJECTED', `${this.#name}: ${permit.reason}`, { cause: permit });
    this.#inFlight++;
    const startMs = this.#clock.now();
    let ended = false;
    const elapsedMs = () => this.#clock.now() - startMs;
    return {
      get elapsedMs() {
        return elapsedMs();
      },
      end: (outcome, pushbackMs) => {
        if (ended) return;
        ended = true;
        this.#inFlight--;
        permit?.settle(outcome, elapsedMs(), pushbackMs);
      },
    };
  }
}
