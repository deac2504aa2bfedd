import type { CircuitSnapshot } from '../circuit/types.js';
import { invalid } from '../errors.js';
import { splitKey } from '../key/circuit-key.js';
import type { AnswerCount } from '../telemetry/answers.js';
import type { AttemptCount } from '../telemetry/attempts.js';
import type { ProbeCount, TransitionCount } from '../telemetry/counts.js';
import type { SecondaryReading } from '../telemetry/secondary-reading.js';
import type { StoreReading } from '../telemetry/store-reading.js';
import type { GuardCore } from './guard-core.js';
import type { CircuitSettings } from './guard-options.js';

/** The methods by which a user reads a guard: states, totals and settings. They change nothing, and make no circuit. */
export class GuardReadings {
  readonly #core: GuardCore;

  constructor(core: GuardCore) {
    this.#core = core;
  }

  settingsOf(circuitKey: string): CircuitSettings | undefined {
    if (typeof circuitKey !== 'string') throw invalid('settingsOf(circuitKey)', 'a string', circuitKey);
    const { target, method, part } = splitKey(circuitKey);
    const slot = this.#core.registry.find(target, method, part);
    if (slot === undefined) return undefined;
    const settings = this.#core.settings.for(method);
    const chain = this.#core.fallbacks?.chainFor(method);
    const strategies = chain?.enabled ? chain.strategies.filter(({ enabled }) => enabled !== false) : [];
    return {
      circuit: slot.circuit.options,
      defaultDeadlineMs: settings.defaultDeadlineMs,
      fallbackReserveMs: settings.fallbackReserve.of(
        Number.POSITIVE_INFINITY,
        chain?.calls('failed') === true,
        slot.usualLatency.ms,
      ),
      fallbackAfterMs: settings.softDeadline?.of(slot.usualLatency) ?? Number.POSITIVE_INFINITY,
      firstMessageTimeoutMs: settings.firstMessageTimeoutMs,
      stallTimeoutMs: settings.stallTimeoutMs,
      fallbacks: strategies.map(({ name }) => name),
    };
  }

  snapshots(): CircuitSnapshot[] {
    return this.#core.registry.snapshots();
  }

  answers(): AnswerCount[] {
    return this.#core.registry.answers();
  }

  attempts(): AttemptCount[] {
    return this.#core.attempts.report();
  }

  transitions(): TransitionCount[] {
    return this.#core.registry.transitions();
  }

  probes(): ProbeCount[] {
    return this.#core.registry.probes();
  }

  nextChecks(): Map<string, number> {
    return this.#core.recoveries.nextChecks();
  }

  secondaries(): SecondaryReading[] {
    return this.#core.fallbacks?.secondaries() ?? [];
  }

  stores(): StoreReading[] {
    return this.#core.fallbacks?.stores() ?? [];
  }
}
