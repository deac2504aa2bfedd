import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { ResolvedHalfOpen } from './options/resolve.js';
import type { CircuitPermit } from './permit.js';
import { ms } from './trip/rule.js';

interface Probe {
  readonly permit: CircuitPermit;
  readonly dueMs: number;
}

/**
 * The probes of one half-open period: `permittedProbes` in all. The verdict comes as soon as further probes cannot change it. New
 * settings apply only to the next period.
 */
export class Probes {
  /** A probe that took longer than this fails. */
  readonly #slowMs: number;
  readonly #options: ResolvedHalfOpen;
  /** The unsettled probes, oldest first: the first is due first. */
  readonly #out: Probe[] = [];
  #admitted = 0;
  #successes = 0;
  #failures = 0;
  /** Until this time only synthetic probes are admitted. */
  reservedUntilMs = Number.NEGATIVE_INFINITY;
  /** Whether a readiness check has ended the open time before its end. */
  readonly afterReady: boolean;

  constructor(options: ResolvedHalfOpen, slowMs: number, afterReady = false) {
    this.#options = options;
    this.#slowMs = slowMs;
    this.afterReady = afterReady;
  }

  get full(): boolean {
    return this.#admitted >= this.#options.permittedProbes;
  }

  /**
   * From when on a caller's call may be a probe: at once, unless all probes are in flight, or the next one is reserved for a
   * synthetic probe.
   */
  get callersFromMs(): number {
    return this.full ? this.firstDueMs : Math.min(this.firstDueMs, this.reservedUntilMs);
  }

  add(permit: CircuitPermit, nowMs: number): void {
    this.#admitted += 1;
    this.#out.push({ permit, dueMs: nowMs + this.#options.probeTimeoutMs });
  }

  /** When the oldest unsettled probe will be counted as failed; Infinity without one. */
  get firstDueMs(): number {
    return this.#out[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Counts the oldest unsettled probe as failed. */
  expireFirst(): void {
    if (this.#out.shift() !== undefined) this.#failures += 1;
  }

  /** Takes a probe off the list of unsettled ones. @returns false if the probe has already timed out */
  take(permit: CircuitPermit): boolean {
    const at = this.#out.findIndex((probe) => probe.permit === permit);
    if (at < 0) return false;
    this.#out.splice(at, 1);
    return true;
  }

  /** Frees the slot of a probe that was taken and whose outcome does not count: another probe may be admitted. */
  giveBack(): void {
    this.#admitted -= 1;
  }

  /**
   * Counts the outcome of a probe.
   * @param durationMs undefined if it is no latency of the server
   * @returns how the probe ended, for {@link failedReason}
   */
  count(outcome: Outcome, durationMs = 0): string {
    const unhealthy = isUnhealthy(outcome);
    if (unhealthy || durationMs > this.#slowMs) this.#failures += 1;
    else this.#successes += 1;
    return unhealthy ? 'failed' : `took ${ms(durationMs)}, over ${ms(this.#slowMs)}`;
  }

  get verdict(): 'recovered' | 'failed' | undefined {
    const { permittedProbes, successThreshold } = this.#options;
    if (this.#successes >= successThreshold) return 'recovered';
    return this.#failures > permittedProbes - successThreshold ? 'failed' : undefined;
  }

  /** Why the probes failed: "the probe timed out", "2 of 3 probes failed". @param how how the last probe ended */
  failedReason(how: string): string {
    const { permittedProbes } = this.#options;
    if (permittedProbes === 1) return `the probe ${how}`;
    const failed = `${this.#failures} of ${permittedProbes} probes failed`;
    return how === 'failed' ? failed : `${failed}, the last ${how}`;
  }

  get successes(): number {
    return this.#successes;
  }
}
