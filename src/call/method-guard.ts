import type { Clock } from '../clock.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { CircuitLine } from '../guard/circuit-registry.js';
import type { MethodSettings } from '../guard/method-settings.js';
import type { ProvenanceMemory } from '../status/provenance.js';
import type { Emitter } from '../telemetry/emitter.js';
import type { GuardEvents } from '../telemetry/events.js';
import type { GuardedBy } from './guarded-mark.js';

/** What all calls of one method (on one target) share. */
export interface MethodGuard {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly settings: MethodSettings;
  readonly line: CircuitLine;
  /** Read for each call: fallbacks may be registered after the first one. */
  chain(): FallbackChain | undefined;
  readonly clock: Clock;
  readonly events: Emitter<GuardEvents>;
  /** The mark of the guard: each counts a call once, however often it stands in the list of interceptors. */
  readonly mark: GuardedBy;
  /** Where fallbacks' answers are remembered with where they came from; undefined where they are not. */
  readonly provenance: ProvenanceMemory | undefined;
}
