/** Calls that are lost with one connection end within so many milliseconds, although their callers' code runs between. */
const SAME_MOMENT_MS = 100;
/** For so long the reason of a trip mentions correlated failures. */
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
   * Whether one more lost call began before the last one that counted. If not, it is the one that counts.
   * @param number of its permit
   * @param admitted number of the last permit
   * @param healthy number of healthy outcomes so far
   * @param isSure false where it may be the failure of a single stream: such a call must have ended together with the one that
   * counted, and no answer may have come between them
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

  /** What the reason of a trip says about them; empty where there are none. */
  remark(nowMs: number): string {
    if (this.recent === 0 || nowMs - this.countedAtMs > RECENT_MS) return '';
    return `, and ${this.recent} more were lost with the same connections`;
  }
}
