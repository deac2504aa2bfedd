import type { Metadata } from '@grpc/grpc-js';
import type { CircuitSnapshot } from '../circuit/types.js';
import type { Clock } from '../clock.js';
import type { ChainResult, FallbackChain } from '../fallback/chain/chain.js';
import type { AbortCause, ChainCall } from '../fallback/chain/chain-call.js';
import type { Cause, ParentCall } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import { warn } from '../telemetry/emitter.js';
import type { Call } from './call.js';

/**
 * One run of a chain for one call: what the chain sees of the call, and the caller's deadline, which nobody else enforces
 * while no real call runs. A chain that answers synchronously costs no timer and no promise.
 */
export class FallbackRun implements ChainCall {
  readonly cause: Cause;
  readonly #call: Call;
  readonly #entry: Entry;
  #requests: readonly unknown[] | undefined;
  #listeners: Set<(cause: AbortCause) => void> | undefined;
  #aborted: AbortCause | undefined;
  #cancelTimer: (() => void) | undefined;
  #conclude: ((outcome: ChainResult) => void) | undefined;

  constructor(call: Call, entry: Entry, cause: Cause) {
    this.cause = cause;
    this.#call = call;
    // A stream may send on; the only message of another call is decoded when a strategy looks at it.
    if (call.options.method_definition.requestStream) this.#keepRequests();
    this.#entry = entry;
  }

  #keepRequests(): void {
    try {
      this.#requests = requestsOf(this.#call);
    } catch {
      // What cannot be decoded throws again, into the strategy that asks for it; another may do without.
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
    return this.#call.sent?.first;
  }
  get metadata(): Metadata {
    return this.#call.metadata;
  }
  get credentials(): ChainCall['credentials'] {
    return this.#call.options.credentials;
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
    return this.#call.deadlineMs === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : Math.max(0, this.#call.deadlineMs - Date.now());
  }
  /** Whether the caller's time is over. Node's timers may run within the last millisecond of it: the end all the same. */
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
      return failed(error);
    }
  }

  /** Waits for a chain that could not answer at once; `conclude` is called once, unless `cancel` comes first. */
  wait(outcome: Promise<ChainResult>, conclude: (outcome: ChainResult) => void): void {
    this.#conclude = conclude;
    this.#enforceDeadline();
    outcome.then(
      (result) => this.#end(result),
      (error: unknown) => this.#end(failed(error)),
    );
  }

  /** The caller is gone, or its time is over: whatever the chain still says is not wanted. */
  cancel(cause: AbortCause): void {
    this.#conclude = undefined;
    this.#cancelTimer?.();
    this.#abort(cause);
  }

  #enforceDeadline(): void {
    if (this.#call.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.clock.setTimer(() => {
      this.#abort('deadline');
      // A chain settles within the microtasks of this turn; one that does not has no more time.
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

/** A chain does not throw; if it does all the same, the caller gets what they would get without one. */
function failed(error: unknown): ChainResult {
  warn(error, 'a fallback chain');
  return { answer: undefined, attempts: [] };
}

/** Copies of what the caller has sent; the messages themselves where no strategy of the chain looks at them. */
function requestsOf({ sent, chain, request }: Call): readonly unknown[] {
  if (sent === undefined || chain === undefined) return request === undefined ? [] : [request];
  return sent.read((bytes) => chain.decodeRequest(bytes));
}
