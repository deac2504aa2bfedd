import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { ResolvedHalfOpen } from './options/resolve.js';
import type { CircuitPermit } from './permit.js';
import { ms } from './trip/rule.js';

interface Probe {
  readonly permit: CircuitPermit;
  readonly dueMs: number;
}

/**
 * The probes of one half-open period. It admits `permittedProbes` in all, and has a verdict as soon as further probes cannot
 * change it. New settings do not apply to it.
 */
export class Probes {
  /** A probe that took longer fails, in milliseconds. */
  readonly #slowMs: number;
  readonly #options: ResolvedHalfOpen;
  /** Unsettled probes, oldest first: the first is due first. */
  readonly #out: Probe[] = [];
  #admitted = 0;
  #successes = 0;
  #failures = 0;
  /** Until then, only synthetic probes go out. */
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

  /** When a caller may be a probe: at once, unless all are out, or the next one is reserved for a synthetic probe. */
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

  /** Takes a probe off the list. @returns false when it is not there: it has timed out before */
  take(permit: CircuitPermit): boolean {
    const at = this.#out.findIndex((probe) => probe.permit === permit);
    if (at < 0) return false;
    this.#out.splice(at, 1);
    return true;
  }

  /** A probe that was taken has no outcome that counts: another probe may go out in its place. */
  giveBack(): void {
    this.#admitted -= 1;
  }

  /**
   * Counts the outcome of a probe.
   * @param durationMs undefined where it is no latency of the server
   * @returns how it ended, for {@link failedReason}
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

  /** Why they failed: "the probe timed out", "2 of 3 probes failed". @param how the end of the last one */
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
