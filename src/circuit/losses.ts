/** Calls that are lost with one connection end within this time, although code of their callers runs in between. */
const SAME_MOMENT_MS = 100;
/** The reason of a trip mentions correlated failures for this long. */
const RECENT_MS = 10_000;

/** The connections that a circuit has lost, and which failures are correlated with a loss that counted. */
export class Losses {
  /** The last permit that was out when a loss counted. */
  private lastOut = 0;
  private countedAtMs = Number.NEGATIVE_INFINITY;
  /** How many healthy outcomes there had been when the last loss counted. */
  private healthy = 0;
  /** Correlated failures of the latest losses: those with at most {@link RECENT_MS} between them. */
  private recent = 0;

  /**
   * Whether a lost call began before the last loss that counted. If not, it is the next loss that counts.
   * @param number the number of its permit
   * @param admitted the number of the last permit
   * @param healthy how many healthy outcomes there were so far
   * @param isSure false if it may be the failure of a single stream. Then it is correlated only if it ended together with the
   * loss that counted, with no healthy outcome between them
   */
  isCorrelated(number: number, admitted: number, healthy: number, isSure: boolean, nowMs: number): boolean {
    const sinceMs = nowMs - this.countedAtMs;
    const isTogether = sinceMs <= SAME_MOMENT_MS && healthy === this.healthy;
    if (number <= this.lastOut && (isSure || isTogether)) {
      this.recent += 1;
      return true;
    }
    if (sinceMs > RECENT_MS) this.recent = 0;
    this.lastOut = admitted;
    this.countedAtMs = nowMs;
    this.healthy = healthy;
    return false;
  }

  /** How many calls were correlated, for the reason of a trip; empty if there are none. */
  remark(nowMs: number): string {
    if (this.recent === 0 || nowMs - this.countedAtMs > RECENT_MS) return '';
    return `, and ${this.recent} more were lost with the same connections`;
  }
}
