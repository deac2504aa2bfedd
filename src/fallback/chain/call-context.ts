import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import type { CircuitSnapshot } from '../../circuit/types.js';
import type { Attempt, AttemptScope, CallFacts, Cause, FallbackContext, ParentCall } from '../strategy.js';

/** The context of a strategy: the facts of a call, with the scope of an attempt. */
export class CallContext<Req> implements FallbackContext<Req> {
  readonly #facts: CallFacts<Req>;
  readonly #scope: AttemptScope;

  /** @param facts may be another context: its facts are used, not its scope */
  constructor(facts: CallFacts<Req>, scope: AttemptScope) {
    this.#facts = facts instanceof CallContext ? facts.#facts : facts;
    this.#scope = scope;
  }

  get method(): string {
    return this.#facts.method;
  }
  get request(): Req {
    return this.#facts.request;
  }
  get requestBytes(): Buffer | undefined {
    return this.#facts.requestBytes;
  }
  get requests(): readonly Req[] {
    return this.#facts.requests;
  }
  get metadata(): Metadata {
    return this.#facts.metadata;
  }
  get cause(): Cause {
    return this.#facts.cause;
  }
  get circuitKey(): string {
    return this.#facts.circuitKey;
  }
  get circuit(): CircuitSnapshot {
    return this.#facts.circuit;
  }
  get credentials(): CallCredentials | undefined {
    return this.#facts.credentials;
  }
  get host(): string | undefined {
    return this.#facts.host;
  }

  get remainingMs(): number {
    return this.#scope.remainingMs;
  }
  get deadlineMs(): number {
    return this.#scope.deadlineMs;
  }
  get budgetMs(): number {
    return this.#scope.budgetMs;
  }
  get signal(): AbortSignal {
    return this.#scope.signal;
  }
  get parent(): ParentCall | undefined {
    return this.#scope.parent;
  }
  get attempts(): readonly Attempt[] {
    return this.#scope.attempts;
  }
}
