/** Calls that are lost with the same connection end within this time, although code of their callers runs in between. */
const SAME_MOMENT_MS = 100;
/** The reason of a trip mentions correlated failures for this long. */
const RECENT_MS = 10_000;

/** The lost connections of a circuit. Decides which lost calls are correlated with a loss that has already counted. */
export class Losses {
  /** The number of the last permit that was issued before the last loss counted. */
  private lastOut = 0;
  private countedAtMs = Number.NEGATIVE_INFINITY;
  /** How many healthy outcomes the circuit had when the last loss counted. */
  private healthy = 0;
  /** Correlated failures of the latest losses, with at most {@link RECENT_MS} between two losses. */
  private recent = 0;

  /**
   * Whether a lost call is correlated with the last loss that counted: it began before that loss. If not, this call is the next
   * loss that counts.
   * @param number the number of the call's permit
   * @param admitted the number of the last permit
   * @param healthy how many healthy outcomes the circuit has had
   * @param isSure false if only this call's stream may have failed. The call is then correlated only if it ended together with
   * the loss that counted, with no healthy outcome between them
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

  /** The number of correlated calls as a text for the reason of a trip; empty if there are none. */
  remark(nowMs: number): string {
    if (this.recent === 0 || nowMs - this.countedAtMs > RECENT_MS) return '';
    return `, and ${this.recent} more were lost with the same connections`;
  }
}
