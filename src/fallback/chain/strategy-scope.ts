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
  readonly #isLast: boolean;
  #budgetMs: number | undefined;
  #controller: AbortController | undefined;
  #abortedBy: AbortCause | undefined;

  /** @param isLast whether no other strategy can answer after it */
  constructor(
    call: ChainCall,
    attempts: readonly Attempt[],
    timeoutMs: number,
    share: number,
    isLast: boolean,
  ) {
    this.#call = call;
    this.attempts = attempts;
    this.#timeoutMs = timeoutMs;
    this.#share = share;
    this.#isLast = isLast;
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
    this.#budgetMs ??= Math.min(this.#timeoutMs, this.#ownTimeMs(this.#call.remainingMs));
    return this.#budgetMs;
  }

  #ownTimeMs(remainingMs: number): number {
    const leftMs = this.#isLast || remainingMs === Number.POSITIVE_INFINITY ? 0 : marginOf(remainingMs);
    return Math.min(remainingMs * this.#share, remainingMs - leftMs);
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

/** The time, in milliseconds, that a strategy leaves to later strategies, so that those that answer from memory still can. */
function marginOf(remainingMs: number): number {
  return Math.min(MOST_LEFT_MS, remainingMs / 10);
}

const MOST_LEFT_MS = 5;

/** The names of these errors are those that `AbortSignal.timeout()` and `controller.abort()` give. */
function reasonOf(cause: AbortCause): DOMException {
  return cause === 'deadline'
    ? new DOMException('the time of this fallback is over', 'TimeoutError')
    : new DOMException('the caller cancelled the call', 'AbortError');
}
