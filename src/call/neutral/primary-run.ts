import type { Metadata } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import { PRIMARY, type Provenance, provenanceOf } from '../../status/provenance.js';
import { isThenable } from '../../thenable.js';
import type { PrimaryContext } from './call-types.js';
import { followSignal } from './follow-signal.js';

/** How a wait for the real call ended. */
export type Ended<T> =
  | { readonly by: 'value'; readonly value: T }
  | { readonly by: 'error'; readonly error: unknown }
  /** The caller's signal aborted: the caller has gone, or its time is over. */
  | { readonly by: 'caller'; readonly reason: unknown }
  /** The guard's deadline, or a limit for streams, ended it. `details` is the text of DEADLINE_EXCEEDED. */
  | { readonly by: 'limit'; readonly details: string }
  /** The caller has left its stream. */
  | { readonly by: 'left' };

type Interruption = Exclude<Ended<never>, { by: 'value' | 'error' }>;

/** The parts of a call that its real call needs. */
export interface RunCall {
  readonly metadata: Metadata;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  readonly primaryDeadlineMs: number;
  readonly method: { readonly clock: Clock };
}

/** A real call: its signal, its time limit, and the waits for it, which end early if the caller goes or its time is over. */
export class PrimaryRun<Req> implements PrimaryContext<Req> {
  readonly request: Req;
  headers: Metadata | undefined;
  sent: readonly Metadata[] | undefined;
  readonly #call: RunCall;
  readonly #callerSignal: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #abortedBy: { readonly reason: unknown } | undefined;
  #interruption: Interruption | undefined;
  #interruptWait: ((by: Interruption) => void) | undefined;
  #stopTimer: (() => void) | undefined;
  readonly #unfollow: (() => void) | undefined;

  constructor(call: RunCall, request: Req, callerSignal: AbortSignal | undefined) {
    this.#call = call;
    this.request = request;
    this.#callerSignal = callerSignal;
    this.#unfollow = callerSignal && followSignal(callerSignal, this.#onCallerAbort);
    if (call.primaryDeadlineMs < Number.POSITIVE_INFINITY)
      this.#stopTimer = call.method.clock.setTimer(this.#onDeadline, this.remainingMs);
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }
  get deadlineMs(): number {
    return this.#call.primaryDeadlineMs;
  }
  get remainingMs(): number {
    return Math.max(0, this.#call.primaryDeadlineMs - Date.now());
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortedBy !== undefined) this.#controller.abort(this.#abortedBy.reason);
    }
    return this.#controller.signal;
  }

  onHeaders(metadata: Metadata): void {
    this.headers = metadata;
  }

  onSent(metadata: Metadata | undefined): void {
    this.sent = metadata === undefined ? [] : [metadata.clone()]; // a copy, because the function may reuse them
  }

  /** The provenance of the real call's answer. */
  get provenance(): Provenance {
    return this.headers === undefined ? PRIMARY : provenanceOf(this.headers);
  }

  /** Waits for a part of the real call, one part at a time. Never rejects. The end of a part that comes too late is dropped. */
  wait<T>(begin: () => T | PromiseLike<T>): Promise<Ended<T>> {
    return new Promise((resolve) => {
      if (this.#interruption !== undefined) return resolve(this.#interruption);
      this.#interruptWait = resolve;
      const settle = (ended: Ended<T>) => {
        if (this.#interruptWait !== resolve) return;
        this.#interruptWait = undefined;
        resolve(ended);
      };
      try {
        const begun = begin();
        if (!isThenable(begun)) return settle({ by: 'value', value: begun });
        begun.then(
          (value) => settle({ by: 'value', value }),
          (error: unknown) => settle(this.#interruption ?? { by: 'error', error }),
        );
      } catch (error) {
        settle({ by: 'error', error });
      }
    });
  }

  /** Whether a part of the real call is awaited, which has not ended yet. */
  get isWaiting(): boolean {
    return this.#interruptWait !== undefined;
  }

  /** Ends the present wait, and every later one. */
  interrupt(by: Interruption): void {
    if (this.#interruption !== undefined) return;
    this.#interruption = by;
    const end = this.#interruptWait;
    this.#interruptWait = undefined;
    end?.(by);
    this.abort(reasonOf(by));
  }

  /**
   * Goes on without the caller, which has a fallback's answer: nothing that the caller does now ends the real call.
   * @param limitMs the time limit of a real call that has no deadline, in milliseconds
   */
  leaveCaller(limitMs: number): void {
    this.#unfollow?.();
    if (!this.isWaiting || this.#stopTimer !== undefined) return;
    const details = `failsoft: no answer within ${limitMs} ms after a fallback's answer`;
    const expire = () => this.interrupt({ by: 'limit', details });
    this.#stopTimer = this.#call.method.clock.setTimer(expire, limitMs, true);
  }

  /** Frees the timer and the caller's signal, because the real call is over. */
  release(): void {
    this.#stopTimer?.();
    this.#unfollow?.();
  }

  /** Ends the real call, if it observes its signal. */
  abort(reason: unknown): void {
    this.#abortedBy ??= { reason };
    this.#controller?.abort(reason);
  }

  readonly #onCallerAbort = (): void => {
    this.interrupt({ by: 'caller', reason: this.#callerSignal?.reason });
  };

  readonly #onDeadline = (): void => {
    this.interrupt({ by: 'limit', details: 'failsoft: deadline exceeded' });
  };
}

function reasonOf(by: Interruption): unknown {
  switch (by.by) {
    case 'caller':
      return by.reason;
    case 'limit':
      return new DOMException(by.details, 'TimeoutError');
    case 'left':
      return new DOMException('failsoft: the caller has left the stream', 'AbortError');
  }
}
