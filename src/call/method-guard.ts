import type { Clock } from '../clock.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { CircuitLine } from '../guard/circuit-registry.js';
import type { MethodSettings } from '../guard/method-settings.js';
import type { Emitter } from '../telemetry/emitter.js';
import type { GuardEvents } from '../telemetry/events.js';

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
  /** Which guard this is: a call is counted once by each, however often it stands in the list of interceptors. */
  readonly owner: object;
}
