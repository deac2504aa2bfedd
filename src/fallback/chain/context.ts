import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import type { CircuitSnapshot } from '../../circuit/types.js';
import type { Clock } from '../../clock.js';
import type { Attempt, Cause, FallbackContext, ParentCall } from '../strategy.js';

/** Why a call ends before its fallback answered: the caller cancelled it, or its deadline passed. */
export type AbortCause = 'cancelled' | 'deadline';

/** What a chain is given of a call. What is costly to make is a getter. */
export interface ChainContext {
  readonly method: string;
  readonly request: unknown;
  readonly requestBytes?: Buffer | undefined;
  readonly requests: readonly unknown[];
  readonly metadata: Metadata;
  readonly cause: Cause;
  readonly circuitKey: string;
  /** Taken when read. */
  readonly circuit: CircuitSnapshot;
  /** What is left now, in milliseconds; Infinity without a deadline, 0 when it is over. */
  readonly remainingMs: number;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  readonly deadlineMs: number;
  readonly parent: ParentCall | undefined;
  readonly credentials?: CallCredentials | undefined;
  /** The call option `host`. */
  readonly host: string | undefined;
  readonly clock: Clock;
  /**
   * Has `listener` called once when the call ends early; at once when it already has.
   *
   * On `deadline` the chain still settles within that turn's microtasks: strategies that answer synchronously are
   * asked, and may save the call. Wait for the outcome before giving the caller DEADLINE_EXCEEDED.
   * @returns takes the listener away again
   */
  onAbort(listener: (cause: AbortCause) => void): () => void;
}

/** The call as one strategy sees it: the chain's context, its own budget, its own signal. */
export class AskedContext implements FallbackContext<unknown> {
  readonly attempts: readonly Attempt[];
  readonly #chain: ChainContext;
  readonly #timeoutMs: number;
  readonly #share: number;
  #budgetMs: number | undefined;
  #controller: AbortController | undefined;
  #abortedBy: AbortCause | undefined;

  constructor(chain: ChainContext, attempts: readonly Attempt[], timeoutMs: number, share: number) {
    this.#chain = chain;
    this.attempts = attempts;
    this.#timeoutMs = timeoutMs;
    this.#share = share;
  }

  get method(): string {
    return this.#chain.method;
  }
  get request(): unknown {
    return this.#chain.request;
  }
  get requestBytes(): Buffer | undefined {
    return this.#chain.requestBytes;
  }
  get requests(): readonly unknown[] {
    return this.#chain.requests;
  }
  get metadata(): Metadata {
    return this.#chain.metadata;
  }
  get cause(): Cause {
    return this.#chain.cause;
  }
  get circuitKey(): string {
    return this.#chain.circuitKey;
  }
  get circuit(): CircuitSnapshot {
    return this.#chain.circuit;
  }
  get remainingMs(): number {
    return this.#chain.remainingMs;
  }
  get deadlineMs(): number {
    return this.#chain.deadlineMs;
  }
  get parent(): ParentCall | undefined {
    return this.#chain.parent;
  }
  get credentials(): CallCredentials | undefined {
    return this.#chain.credentials;
  }
  get host(): string | undefined {
    return this.#chain.host;
  }
  get budgetMs(): number {
    // Of what is left when it is first asked for: that is when a strategy is asked, or has just promised an answer.
    // Infinity * share is Infinity, for a share of 0 is not allowed.
    this.#budgetMs ??= Math.min(this.#timeoutMs, this.#chain.remainingMs * this.#share);
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

/** As the web's own signals have it: `AbortSignal.timeout()` and `controller.abort()`. */
function reasonOf(cause: AbortCause): DOMException {
  return cause === 'deadline'
    ? new DOMException('the time of this fallback is over', 'TimeoutError')
    : new DOMException('the caller cancelled the call', 'AbortError');
}
