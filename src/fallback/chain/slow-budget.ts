/** After a quiet time this many slow calls may ask at once: too few to overload a secondary. */
const MOST_TOKENS = 10;

/**
 * Limits how many slow calls of a method may ask strategies that call something: when a model turns slow as a whole, its whole
 * load must not reach the secondary too. Each call of the method adds `share` of a token, and each question takes a whole token,
 * as in the retry budgets of Finagle and gRPC (gRFC A6).
 */
export class SlowBudget {
  readonly #share: number;
  #tokens: number;

  constructor(share: number) {
    this.#share = share;
    this.#tokens = share === 0 ? 0 : MOST_TOKENS;
  }

  /** Adds the share of one call of the method. */
  earn(): void {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + this.#share);
  }

  /** Takes a token. @returns false where none is left: the strategy must not be asked */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Gives a token back, because the strategy called nothing after all. */
  refund(): void {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + 1);
  }
}
