import type { CallCredentials, InterceptorOptions, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { Call } from './call.js';
import { type SentCalls, sentCallsOf } from './sent-calls.js';
import { type Headers, watchedMetadata } from './sent-metadata.js';

/** The parts of a call that its good answer is kept with. */
export interface AnsweredCall extends Pick<Call, 'method' | 'metadata' | 'sent'> {
  readonly options: Pick<InterceptorOptions, 'credentials' | 'host'>;
}

/** A successful call as strategies that keep answers see it. The request is decoded when a strategy first reads it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  response: unknown;
  responseMetadata: Metadata | undefined;
  readonly #call: AnsweredCall;
  readonly #chain: FallbackChain;
  /** What went out since the real call began; undefined for calls of another transport. */
  #sent: Sent | undefined;
  #responses = 0;

  constructor(call: AnsweredCall, chain: FallbackChain, circuitKey: string) {
    this.method = call.method.path;
    this.circuitKey = circuitKey;
    this.#call = call;
    this.#chain = chain;
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }
  /** grpc-js takes null, which a caller without types may give, for undefined. */
  get credentials(): CallCredentials | undefined {
    return this.#call.options.credentials ?? undefined;
  }
  get host(): string | undefined {
    return this.#call.options.host ?? undefined;
  }
  get requestBytes(): Buffer | undefined {
    return this.#call.sent?.first;
  }
  get request(): unknown {
    const { requestBytes } = this;
    return requestBytes === undefined ? undefined : this.#chain.decodeRequest(requestBytes);
  }

  get sentMetadata(): readonly Metadata[] | undefined {
    return this.#sent?.metadata();
  }
  get sentWithOtherOptions(): boolean {
    return this.#sent?.withOtherOptions(this) === true;
  }

  /** @returns the metadata for the real call: a copy of the caller's */
  handOn(metadata: Metadata): Metadata {
    const calls = sentCallsOf(this.#call.options);
    if (calls !== undefined) {
      this.#sent = fromChannel(calls);
      return metadata.clone();
    }
    const made: MadeHeaders[] = [];
    this.#sent = fromHeaders(made, this.method);
    return watchedMetadata(metadata.clone(), (of, headers) => made.push({ of, headers }));
  }

  /** Says how a call of another transport than grpc-js went out. */
  setSentMetadata(metadata: Metadata): void {
    this.#sent = { metadata: () => [metadata], withOtherOptions: () => false };
  }

  setMetadata(metadata: Metadata): void {
    this.responseMetadata = metadata;
  }

  setResponse(message: unknown): void {
    this.response = message;
    this.#responses++;
  }

  /** Offers the answer to the chain. A unary call with two response messages has no answer to keep. */
  keep(): void {
    if (this.#responses === 1 && this.#chain.keeps) this.#chain.keep(this);
  }
}

/** What shows how a call went out. */
interface Sent {
  metadata(): readonly Metadata[];
  /** Whether it went out with other call credentials, or to another host, than its caller asked. */
  withOtherOptions(asked: Pick<GoodAnswer, 'credentials' | 'host'>): boolean;
}

/** Behind all interceptors, from now on: a caller's interceptor that tries again begins anew. */
function fromChannel({ list }: SentCalls): Sent {
  const first = list.length;
  return {
    metadata: () => list.slice(first).map(({ metadata }) => metadata),
    withOtherOptions: ({ credentials, host }) =>
      list.slice(first).some((sent) => sent.credentials !== credentials || sent.host !== host),
  };
}

interface MadeHeaders {
  readonly of: Metadata;
  readonly headers: Headers;
}

/** By the headers that were made of the metadata: what only a log has seen has no `:path`, and another call has another. */
function fromHeaders(made: readonly MadeHeaders[], path: string): Sent {
  return {
    metadata: () => made.flatMap(({ of, headers }) => (headers[':path'] === path ? [of] : [])),
    withOtherOptions: () => false, // they do not show in headers
  };
}
