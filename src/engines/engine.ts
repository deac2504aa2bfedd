import type { CircuitEnvironment } from '../circuit/environment.js';
import type { Circuit, CircuitOptions, TripRuleName } from '../circuit/types.js';

export type { CircuitEnvironment };

/** What an engine can do beyond tripping on consecutive failures or a failure rate and probing once. */
export interface EngineCapabilities {
  /** The trip rules that its circuits know, by their names. */
  readonly tripRules: ReadonlySet<TripRuleName>;
  /** The types of window that its circuits know. */
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

/** Makes circuits. The whole of failsoft runs on any engine. */
export interface Engine {
  /** As snapshots and errors name it. */
  readonly name: string;
  /** What its circuits can do. */
  readonly capabilities: EngineCapabilities;
  /**
   * Checks the options once and gives a maker of circuits that have them, so that making one is cheap.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT or, naming the option and the engine, FAILSOFT_UNSUPPORTED
   */
  configure(options: CircuitOptions | undefined, field: string): CircuitFactory;
}

/** Makes the circuit of a key. */
export type CircuitFactory = (key: string, environment: CircuitEnvironment) => Circuit;
