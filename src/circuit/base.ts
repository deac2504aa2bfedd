import { checkOneOf } from '../checks.js';
import type { Outcome } from '../classify/outcome.js';
import { type ConcurrencyLimit, createLimit } from './concurrency.js';
import type { CircuitEnvironment } from './environment.js';
import { execute } from './execute.js';
import { CIRCUIT_MODES } from './options.js';
import { CircuitPermit, type PermitOwner, UNRECORDED } from './permit.js';
import type { Settings } from './settings.js';
import { Totals } from './totals.js';
import type {
  Circuit,
  CircuitMode,
  CircuitOptions,
  CircuitSnapshot,
  CircuitStateName,
  ExecuteOptions,
  IsolationHandle,
  Permit,
  Rejection,
  RejectionReason,
} from './types.js';

/**
 * What lies beside the state: mode, isolation, calls in flight and their limit, totals.
 *
 * Fields are TypeScript's `private`, not `#`: V8 may turn an object with more than a dozen `#` fields into a
 * dictionary, which is twice as large and several times slower (docs/decisions/native-circuit.md).
 */
export abstract class CircuitBase implements Circuit, PermitOwner {
  readonly key: string;
  protected readonly environment: CircuitEnvironment;
  protected settings: Settings;
  protected generation = 0;
  protected limit: ConcurrencyLimit | undefined;
  protected readonly totals = new Totals();
  private currentMode: CircuitMode;
  private handles = 0;
  private out = 0;
  /** Those of the calls in flight that `enforce` would have rejected. */
  private shadows = 0;

  constructor(key: string, settings: Settings, environment: CircuitEnvironment) {
    this.key = key;
    this.environment = environment;
    this.settings = settings;
    this.limit = createLimit(settings.options.concurrency);
    this.currentMode = settings.options.mode;
  }

  abstract get state(): CircuitStateName;
  abstract reset(): void;
  abstract snapshot(): CircuitSnapshot;
  abstract restore(snapshot: unknown, field?: string): void;
  abstract reconfigure(options: CircuitOptions): void;
  /** Decides on a call when neither the mode nor an isolation does. */
  protected abstract decide(): Permit | Rejection;
  /** Hears the outcome of a permit that the circuit gave and that is not a shadow. */
  protected abstract hear(
    permit: CircuitPermit,
    outcome: Outcome,
    durationMs: number,
    pushbackMs: number | undefined,
  ): void;
  /** A permit ended while nothing is recorded: what it held is free again. */
  protected abstract forget(permit: CircuitPermit): void;

  acquire(): Permit | Rejection {
    if (this.currentMode === 'off') return UNRECORDED;
    if (this.handles > 0) return this.refuse('ISOLATED', 0);
    return this.decide();
  }

  protected admit(probe: boolean): CircuitPermit {
    this.totals.admitted += 1;
    this.out += 1;
    return new CircuitPermit(this, this.generation, probe, false);
  }

  protected refuse(reason: RejectionReason, retryAfterMs: number): Permit | Rejection {
    this.totals.rejected(reason);
    if (this.currentMode === 'enforce') return { admitted: false, reason, retryAfterMs };
    this.out += 1;
    this.shadows += 1;
    return new CircuitPermit(this, this.generation, false, true);
  }

  /** Whether the concurrency limit has no room for one more call. */
  protected get crowded(): boolean {
    return this.limit !== undefined && this.realInFlight >= this.limit.limit;
  }

  protected get inFlight(): number {
    return this.out;
  }

  protected get realInFlight(): number {
    return this.out - this.shadows;
  }

  settled(permit: CircuitPermit, outcome: Outcome, durationMs: number, pushbackMs: number | undefined): void {
    this.out -= 1;
    if (permit.shadow) this.shadows -= 1;
    else if (this.currentMode === 'off') {
      this.limit?.forgot();
      this.forget(permit);
    } else this.hear(permit, outcome, durationMs, pushbackMs);
  }

  /** A permit of an earlier generation ended. */
  protected countStale(): void {
    this.totals.stale += 1;
    this.limit?.forgot();
  }

  get mode(): CircuitMode {
    return this.currentMode;
  }

  set mode(mode: CircuitMode) {
    this.currentMode = checkOneOf('circuit.mode', mode, CIRCUIT_MODES);
  }

  get isolations(): number {
    return this.handles;
  }

  isolate(): IsolationHandle {
    this.handles += 1;
    if (this.handles === 1) this.tellIsolation(true);
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.handles -= 1;
      if (this.handles === 0) this.tellIsolation(false);
    };
    return { release, [Symbol.dispose]: release };
  }

  private tellIsolation(isolated: boolean): void {
    const { clock, listener } = this.environment;
    listener.isolation({ circuit: this.key, isolated, atMs: clock.now() });
  }

  execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: ExecuteOptions): Promise<T> {
    return execute(this, this.environment.clock, fn, options);
  }
}
