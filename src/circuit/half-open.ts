import type { ResolvedHalfOpen } from './options.js';
import type { CircuitPermit } from './permit.js';

interface Probe {
  readonly permit: CircuitPermit;
  dueMs: number;
}

/**
 * The probes of one half-open time. Admits `permittedProbes` in all; decided as soon as the rest cannot change it.
 * It ends under the settings that it began with.
 */
export class Probes {
  readonly #options: ResolvedHalfOpen;
  /** Unsettled ones, oldest first; so the first is the first to be due. */
  readonly #out: Probe[] = [];
  #admitted = 0;
  #successes = 0;
  #failures = 0;

  constructor(options: ResolvedHalfOpen) {
    this.#options = options;
  }

  get full(): boolean {
    return this.#admitted >= this.#options.permittedProbes;
  }

  add(permit: CircuitPermit, nowMs: number): void {
    this.#admitted += 1;
    this.#out.push({ permit, dueMs: nowMs + this.#options.probeTimeoutMs });
  }

  /** When the oldest unsettled probe will be counted as failed; Infinity without one. */
  firstDueMs(nowMs: number): number {
    const first = this.#out[0];
    if (first === undefined) return Number.POSITIVE_INFINITY;
    // a clock that went back since it was admitted does not make it wait longer
    first.dueMs = Math.min(first.dueMs, nowMs + this.#options.probeTimeoutMs);
    return first.dueMs;
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

  giveBack(): void {
    this.#admitted -= 1;
  }

  count(healthy: boolean): void {
    if (healthy) this.#successes += 1;
    else this.#failures += 1;
  }

  get verdict(): 'recovered' | 'failed' | undefined {
    const { permittedProbes, successThreshold } = this.#options;
    if (this.#successes >= successThreshold) return 'recovered';
    return this.#failures > permittedProbes - successThreshold ? 'failed' : undefined;
  }

  /** "2 of 3 probes failed", as reasons show it. */
  get figures(): string {
    const { permittedProbes } = this.#options;
    return permittedProbes === 1 ? 'the probe' : `${this.#failures} of ${permittedProbes} probes`;
  }

  get successes(): number {
    return this.#successes;
  }
}
