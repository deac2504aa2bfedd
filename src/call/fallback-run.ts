import type { InterceptorOptions, Metadata } from '@grpc/grpc-js';
import type { CircuitSnapshot } from '../circuit/types.js';
import type { Clock } from '../clock.js';
import type { ChainResult, FallbackChain } from '../fallback/chain/chain.js';
import type { AbortCause, ChainCall } from '../fallback/chain/chain-call.js';
import type { Cause, ParentCall } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import type { Call } from './call.js';

/** The parts of a call that a chain's run needs. */
export interface AskedCall
  extends Pick<Call, 'method' | 'chain' | 'request' | 'sent' | 'metadata' | 'deadlineMs'> {
  readonly options: Pick<InterceptorOptions, 'credentials' | 'host' | 'parent'> & {
    readonly method_definition: { readonly requestStream: boolean };
  };
}

/**
 * The run of a chain for a call. It gives the chain access to the call, and enforces the caller's deadline, which grpc-js does
 * only for real calls. A chain that answers synchronously costs no timer and no promise.
 */
export class FallbackRun implements ChainCall {
  readonly cause: Cause;
  readonly #call: AskedCall;
  readonly #entry: Entry;
  #requests: readonly unknown[] | undefined;
  #bytes: Buffer | undefined;
  #listeners: Set<(cause: AbortCause) => void> | undefined;
  #aborted: AbortCause | undefined;
  #cancelTimer: (() => void) | undefined;
  #conclude: ((outcome: ChainResult) => void) | undefined;

  constructor(call: AskedCall, entry: Entry, cause: Cause) {
    this.cause = cause;
    this.#call = call;
    // A request stream may get more messages later. A unary request is decoded only when a strategy reads it.
    if (call.options.method_definition.requestStream) this.#keepRequests();
    this.#entry = entry;
  }

  #keepRequests(): void {
    try {
      this.#requests = requestsOf(this.#call);
    } catch {
      // A strategy that reads the requests gets the error then. Other strategies may not need them.
    }
  }

  get method(): string {
    return this.#call.method.path;
  }
  get requests(): readonly unknown[] {
    this.#requests ??= requestsOf(this.#call);
    return this.#requests;
  }
  get request(): unknown {
    return this.requests[0];
  }
  get requestBytes(): Buffer | undefined {
    this.#bytes ??= copied(this.#call.sent?.first);
    return this.#bytes;
  }
  get metadata(): Metadata {
    return this.#call.metadata;
  }
  get credentials(): ChainCall['credentials'] {
    return this.#call.options.credentials ?? undefined;
  }
  get host(): string | undefined {
    return this.#call.options.host ?? undefined;
  }
  get circuitKey(): string {
    return this.#entry.key;
  }
  get circuit(): CircuitSnapshot {
    return this.#entry.circuit.snapshot();
  }
  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }
  get remainingMs(): number {
    return Math.max(0, this.#call.deadlineMs - Date.now());
  }
  /** Whether the deadline has passed. It counts as passed when its timer fires, which may be up to a millisecond early. */
  get hasExpired(): boolean {
    return this.#aborted === 'deadline' || this.remainingMs === 0;
  }
  get parent(): ParentCall | undefined {
    return this.#call.options.parent ?? undefined;
  }
  get clock(): Clock {
    return this.#call.method.clock;
  }

  onAbort(listener: (cause: AbortCause) => void): () => void {
    if (this.#aborted !== undefined) {
      listener(this.#aborted);
      return () => undefined;
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** Runs the chain. Never throws. */
  ask(chain: FallbackChain): ChainResult | Promise<ChainResult> {
    try {
      return chain.run(this);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** A chain throws only by a bug of its own. The caller then gets the result without fallbacks. */
  #failed(error: unknown): ChainResult {
    this.#call.method.events.warnings.report(error, `the fallback chain of ${this.method}`);
    return { answer: undefined, attempts: [] };
  }

  /** Waits for a chain that did not answer at once. Calls `conclude` once, unless `cancel()` is called before. */
  wait(outcome: Promise<ChainResult>, conclude: (outcome: ChainResult) => void): void {
    this.#conclude = conclude;
    this.#enforceDeadline();
    outcome.then(
      (result) => this.#end(result),
      (error: unknown) => this.#end(this.#failed(error)),
    );
  }

  /** Ends the run, because the caller has gone or its deadline has passed. A later answer of the chain is dropped. */
  cancel(cause: AbortCause): void {
    this.#conclude = undefined;
    this.#cancelTimer?.();
    this.#abort(cause);
  }

  #enforceDeadline(): void {
    if (this.#call.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.clock.setTimer(() => {
      this.#abort('deadline');
      // The chain can still settle within the microtasks of this turn, but not later.
      setImmediate(() => this.#end({ answer: undefined, attempts: [] }));
    }, this.remainingMs);
  }

  #end(outcome: ChainResult): void {
    const conclude = this.#conclude;
    this.#conclude = undefined;
    this.#cancelTimer?.();
    conclude?.(outcome);
  }

  #abort(cause: AbortCause): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = cause;
    for (const listener of this.#listeners ?? []) listener(cause);
  }
}

/** Copies of the caller's messages. If no strategy of the chain reads them: the first message itself. */
function requestsOf({ sent, chain, request }: AskedCall): readonly unknown[] {
  if (sent === undefined || chain === undefined) return request === undefined ? [] : [request];
  return sent.read((bytes) => chain.decodeRequest(copied(bytes)));
}

/** A copy, because a strategy may write into it or into what is decoded from it, while the real call still has to send the bytes. */
function copied<B extends Buffer | undefined>(bytes: B): B {
  return (bytes && Buffer.from(bytes)) as B;
}
