import { openTimeMs } from './open-time.js';
import type { ResolvedOpen } from './options/resolve.js';
import type { CircuitSnapshot } from './types.js';

/** The openings of a circuit, and the server's push-back. */
export class Outage {
  /** How often the circuit has opened since it was last closed. */
  openings = 0;
  lastTrip: CircuitSnapshot['lastTrip'] = null;
  /** Whether a readiness check that finds the server ready may end the open time. */
  trustsReady = true;
  /** The end of the longest push-back of the server so far. */
  #pushbackUntilMs = 0;

  /** Notes that the server sent a push-back that ends at this time. */
  addPushback(untilMs: number): void {
    this.#pushbackUntilMs = Math.max(this.#pushbackUntilMs, untilMs);
  }

  /** The end of the push-back for this opening. The cap is applied once more, because new settings may have lowered it. */
  pushbackUntilMs(open: ResolvedOpen, openedAtMs: number): number {
    return Math.min(this.#pushbackUntilMs, openedAtMs + open.maxPushbackMs);
  }

  /** Counts one more opening. @returns the end of the open time */
  begin(open: ResolvedOpen, atMs: number, random: () => number): number {
    this.openings += 1;
    const ownMs = openTimeMs(open, this.openings, random);
    return Math.max(atMs + ownMs, this.pushbackUntilMs(open, atMs));
  }

  /** Called when the circuit closes. The push-back stays, because it may be longer than the outage was. */
  end(): void {
    this.openings = 0;
    this.trustsReady = true;
  }

  /** Takes over the openings of an earlier process. */
  restore(openings: number, lastTrip: CircuitSnapshot['lastTrip']): void {
    this.openings = openings;
    this.lastTrip = lastTrip;
  }

  reset(): void {
    this.end();
    this.#pushbackUntilMs = 0;
  }
}
