import type { CircuitEnvironment } from '../circuit/environment.js';
import type { Circuit, CircuitOptions, TripRuleName } from '../circuit/types.js';

export type { CircuitEnvironment };

/** What an engine supports. A boolean is true if the engine supports the options, or the behaviour, that its comment names. */
export interface EngineCapabilities {
  /** The names of the trip rules that its circuits support. */
  readonly tripRules: ReadonlySet<TripRuleName>;
  /** The types of window that its circuits support. */
  readonly windows: ReadonlySet<'count' | 'time'>;
  /** `halfOpen.permittedProbes` or `successThreshold` above 1. */
  readonly severalProbes: boolean;
  /** `recovering`. */
  readonly ramp: boolean;
  /** `open.multiplier`, `open.jitter`, push-back. */
  readonly openTimeBackoff: boolean;
  /** `concurrency`. */
  readonly concurrency: boolean;
  /** `throttle`. */
  readonly throttle: boolean;
  /** `restore()`. */
  readonly restore: boolean;
  /** `reconfigure()`. */
  readonly reconfigure: boolean;
  /** Latency percentiles in snapshots come from the window. */
  readonly percentiles: boolean;
  /** A permit of an earlier generation changes nothing. */
  readonly staleProtection: boolean;
  /** An ignored probe gives its slot back. */
  readonly ignoredProbes: boolean;
  /** `recovery`: readiness checks and synthetic probes move the open time (`Circuit.recovery`). */
  readonly recovery: boolean;
}

/** Makes circuits. All of failsoft runs on any engine. */
export interface Engine {
  /** The engine's name in snapshots and errors. */
  readonly name: string;
  /** What its circuits support. */
  readonly capabilities: EngineCapabilities;
  /**
   * Checks the options once and returns a factory of circuits with these options, so that making a circuit is cheap.
   * @param field how an error names the options
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or, naming the option and the engine, FAILSOFT_UNSUPPORTED
   */
  configure(options: CircuitOptions | undefined, field: string): CircuitFactory;
}

/** Makes the circuit of a key. */
export type CircuitFactory = (key: string, environment: CircuitEnvironment) => Circuit;
