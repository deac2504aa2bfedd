import type { Attempt, AttemptScope, ParentCall } from '../strategy.js';
import type { AbortCause, ChainCall } from './chain-call.js';

/**
 * The time and the signal of a strategy. They are made when they are first read: a strategy that answers at once costs no
 * signal and no timer.
 */
export class StrategyScope implements AttemptScope {
  readonly attempts: readonly Attempt[];
  readonly #call: ChainCall;
  readonly #timeoutMs: number;
  readonly #share: number;
  #budgetMs: number | undefined;
  #controller: AbortController | undefined;
  #abortedBy: AbortCause | undefined;

  constructor(call: ChainCall, attempts: readonly Attempt[], timeoutMs: number, share: number) {
    this.#call = call;
    this.attempts = attempts;
    this.#timeoutMs = timeoutMs;
    this.#share = share;
  }

  get remainingMs(): number {
    return this.#call.remainingMs;
  }
  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }
  get parent(): ParentCall | undefined {
    return this.#call.parent;
  }

  /** Computed on first read (when the strategy is asked, or has just promised an answer), then fixed. */
  get budgetMs(): number {
    // Infinity * share is Infinity, because a share of 0 is not allowed.
    this.#budgetMs ??= Math.min(this.#timeoutMs, this.#call.remainingMs * this.#share);
    return this.#budgetMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortedBy !== undefined) this.#controller.abort(reasonOf(this.#abortedBy));
    }
    return this.#controller.signal;
  }

  abort(cause: AbortCause): void {
    if (this.#abortedBy !== undefined) return;
    this.#abortedBy = cause;
    this.#controller?.abort(reasonOf(cause));
  }
}

/** The same reasons as of `AbortSignal.timeout()` and `controller.abort()`. */
function reasonOf(cause: AbortCause): DOMException {
  return cause === 'deadline'
    ? new DOMException('the time of this fallback is over', 'TimeoutError')
    : new DOMException('the caller cancelled the call', 'AbortError');
}
