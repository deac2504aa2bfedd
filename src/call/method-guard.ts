import type { Clock } from '../clock.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { CircuitLine } from '../guard/circuit-registry.js';
import type { MethodSettings } from '../guard/method-settings.js';
import type { ProvenanceMemory } from '../status/provenance.js';
import type { AttemptCounts } from '../telemetry/attempts.js';
import type { CallObservers } from '../telemetry/call-observers.js';
import type { Emitter } from '../telemetry/emitter.js';
import type { GuardEvents } from '../telemetry/events.js';
import type { Connection } from './connection.js';
import type { GuardedBy } from './guarded-mark.js';
import type { LoopWatch } from './loop-watch.js';

/** The part of a guard that all calls of a method on a target share. */
export interface MethodGuard {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly settings: MethodSettings;
  readonly line: CircuitLine;
  /** The connection below the interceptor through which the call came. */
  readonly connection: Connection;
  /** The guard's watch on the event loop. */
  readonly loop: LoopWatch;
  /** The method's fallbacks. Called for each call, because fallbacks may be registered after the first call. */
  chain(): FallbackChain | undefined;
  readonly clock: Clock;
  readonly events: Emitter<GuardEvents>;
  readonly observers: CallObservers;
  /** Counts the guard's fallbacks that gave no answer. */
  readonly attempts: AttemptCounts;
  /** The guard's mark, by which it counts a call once even if it stands in the list of interceptors several times. */
  readonly mark: GuardedBy;
  /** Remembers the sources of fallbacks' answers; undefined unless `rememberProvenance` is set. */
  readonly provenance: ProvenanceMemory | undefined;
}
