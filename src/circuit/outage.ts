import { openTimeMs } from './open-time.js';
import type { ResolvedOpen } from './options/resolve.js';
import type { CircuitSnapshot } from './types.js';

/** What a circuit remembers of its openings, and of the server's push-back. */
export class Outage {
  /** How often the circuit has opened since it was last closed. */
  openings = 0;
  lastTrip: CircuitSnapshot['lastTrip'] = null;
  /** Whether a readiness check that says "ready" may end an open time. */
  trustsReady = true;
  /** The end of the longest push-back of the server so far. */
  #pushbackUntilMs = 0;

  /** The server asked its callers to stay away until then. */
  addPushback(untilMs: number): void {
    this.#pushbackUntilMs = Math.max(this.#pushbackUntilMs, untilMs);
  }

  /** The end of the push-back of a circuit that opened then. The cap is applied once more: new settings may have lowered it. */
  pushbackUntilMs(open: ResolvedOpen, openedAtMs: number): number {
    return Math.min(this.#pushbackUntilMs, openedAtMs + open.maxPushbackMs);
  }

  /** The circuit opens once more. @returns the end of the open time */
  begin(open: ResolvedOpen, atMs: number, random: () => number): number {
    this.openings += 1;
    const ownMs = openTimeMs(open, this.openings, random);
    return Math.max(atMs + ownMs, this.pushbackUntilMs(open, atMs));
  }

  /** The circuit is closed. The push-back stays: the server may have asked for more time than the outage took. */
  end(): void {
    this.openings = 0;
    this.trustsReady = true;
  }

  /** Goes on from an earlier process. */
  restore(openings: number, lastTrip: CircuitSnapshot['lastTrip']): void {
    this.openings = openings;
    this.lastTrip = lastTrip;
  }

  /** The circuit is reset. */
  reset(): void {
    this.end();
    this.#pushbackUntilMs = 0;
  }
}
