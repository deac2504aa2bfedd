/** So many slow calls may ask at once after a quiet time: too few to overload anybody. */
const MOST_TOKENS = 10;

/**
 * Bounds how many slow calls of a method may ask strategies that call something: when a model turns slow as a whole, its load
 * must not come to the secondary in addition. Each call of the method adds `share` of a token, and each question takes a whole token, as in
 * the retry budgets of Finagle and gRPC.
 */
export class SlowBudget {
  readonly #share: number;
  #tokens: number;

  constructor(share: number) {
    this.#share = share;
    this.#tokens = share === 0 ? 0 : MOST_TOKENS;
  }

  /** A call of the method, which may become slow. */
  earn(): void {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + this.#share);
  }

  /** @returns whether a question may be asked */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Nothing was called after all. */
  refund(): void {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + 1);
  }
}
