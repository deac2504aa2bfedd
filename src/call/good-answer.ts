import type { CallCredentials, InterceptorOptions, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { Call } from './call.js';
import { type SentCalls, sentCallsOf } from './sent-calls.js';
import { type Headers, watchedMetadata } from './sent-metadata.js';

/** The parts of a call under which a good answer is kept. */
export interface AnsweredCall extends Pick<Call, 'method' | 'metadata' | 'sent'> {
  readonly options: Pick<InterceptorOptions, 'credentials' | 'host'>;
}

/** A successful call, for strategies that keep answers. The request is decoded only when a strategy reads it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  response: unknown;
  responseMetadata: Metadata | undefined;
  readonly #call: AnsweredCall;
  readonly #chain: FallbackChain;
  /** How the call was sent; undefined if another transport has not reported it. */
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

  /** Watches how the real call is sent. @returns the metadata for the real call, a copy of the caller's */
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

  /** Sets the metadata with which another transport than grpc-js sent the call. */
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

  /** Offers the answer to the chain, unless a unary call got two response messages. */
  keep(): void {
    if (this.#responses === 1 && this.#chain.keeps) this.#chain.keep(this);
  }
}

/** How a call was sent. */
interface Sent {
  metadata(): readonly Metadata[];
  /** Whether the call was sent with other call credentials, or to another host, than its caller asked for. */
  withOtherOptions(asked: Pick<GoodAnswer, 'credentials' | 'host'>): boolean;
}

/** By the client's channel, behind all interceptors. Only from now on: a retry of an interceptor before the guard is a new call. */
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

/**
 * By the headers that were made of the metadata. Headers that were made only for a log have no `:path`, and those of another call
 * have another.
 */
function fromHeaders(made: readonly MadeHeaders[], path: string): Sent {
  return {
    metadata: () => made.flatMap(({ of, headers }) => (headers[':path'] === path ? [of] : [])),
    withOtherOptions: () => false, // headers do not show them
  };
}
