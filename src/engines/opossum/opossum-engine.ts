import type CircuitBreaker from 'opossum';
import { MachineCircuit } from '../../circuit/machine-circuit.js';
import { Emitter } from '../../telemetry/emitter.js';
import type { Engine, EngineCapabilities } from '../engine.js';
import { checkEngineOptions, type EngineOptions } from './engine-options.js';
import { OpossumMachine } from './opossum-machine.js';
import { breakerSettings } from './settings.js';

/** The engine that {@link opossumEngine} makes. Each guard needs its own. */
export interface OpossumEngine extends Engine {
  /** The breaker of each circuit, by the circuit's key. */
  readonly breakers: ReadonlyMap<string, CircuitBreaker>;
  /**
   * Calls the listener for every breaker: at once for each that exists, later for each new one (a breaker is made at the first
   * call of its key). Add listeners here, or call `metrics.add(breaker)` of opossum-prometheus.
   * @returns a function that unsubscribes
   */
  onBreaker(listener: (breaker: CircuitBreaker) => void): () => void;
}

/**
 * Runs failsoft's circuits on opossum breakers, for teams that have standardised on opossum. Needs `opossum` and, with
 * TypeScript, `@types/opossum`. opossum counts, decides and emits its events. A call is fired when it has ended, together
 * with its duration, so that a call that must not count is never fired.
 *
 * The window and the open time follow the guard's clock, without timers. Only a failure rate over a time window opens such a
 * circuit; it has one probe, and no ramp, backoff or push-back (see `capabilities`). To set one of these is an error when the
 * guard is made.
 *
 * @param options opossum's own options, for every breaker. An option that is set here must not be set again in a circuit's
 *   options. The defaults are failsoft's, not opossum's: 20 calls (`volumeThreshold`) and an open time of 1000 ms
 *   (`resetTimeout`). `timeout` ends no call (only a deadline does that): a call that took this many milliseconds or more counts
 *   as timed out and failed. @default no timeout
 *   `enableSnapshots` costs a timer for each breaker. @default false
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT, or FAILSOFT_UNSUPPORTED for an option that makes no sense here
 */
export function opossumEngine(options: CircuitBreaker.Options = {}): OpossumEngine {
  const engine = checkEngineOptions(options);
  const breakers = new Map<string, CircuitBreaker>();
  const events = new Emitter<{ breaker: CircuitBreaker }>();
  return Object.freeze<OpossumEngine>({
    name: 'opossum',
    capabilities: capabilitiesWith(engine),
    breakers,
    onBreaker(listener) {
      const once = new Emitter<{ breaker: CircuitBreaker }>();
      once.on('breaker', listener);
      for (const breaker of breakers.values()) once.emit('breaker', breaker);
      return events.on('breaker', listener);
    },
    configure(circuitOptions, field) {
      const settings = breakerSettings(circuitOptions, field, engine);
      return (key, environment) => {
        const { options: resolved } = settings.circuit;
        return new MachineCircuit(key, resolved, environment, (circuit) => {
          const machine = new OpossumMachine(circuit, settings);
          const { breaker } = machine;
          breakers.set(key, breaker);
          breaker.once('shutdown', () => {
            if (breakers.get(key) === breaker) breakers.delete(key);
          });
          events.emit('breaker', breaker);
          return machine;
        });
      };
    },
  });
}

/** If opossum's own options decide when a breaker opens, trip rules in a circuit's options are refused. */
function capabilitiesWith(options: EngineOptions): EngineCapabilities {
  const tripsItself = options.errorThresholdPercentage !== undefined || options.volumeThreshold !== undefined;
  return Object.freeze({
    tripRules: new Set(tripsItself ? [] : (['failure-rate'] as const)),
    windows: new Set(['time'] as const),
    severalProbes: false,
    ramp: false,
    openTimeBackoff: false,
    concurrency: true,
    throttle: false,
    restore: false,
    reconfigure: false,
    percentiles: options.rollingPercentilesEnabled ?? true,
    staleProtection: true,
    ignoredProbes: true,
    recovery: false,
  });
}
