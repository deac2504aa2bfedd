import type { CallCredentials, InterceptorOptions, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { Call } from './call.js';
import { watchedMetadata } from './sent-metadata.js';

/** The parts of a call that its good answer is kept with. */
export interface AnsweredCall extends Pick<Call, 'method' | 'metadata' | 'sent'> {
  readonly options: Pick<InterceptorOptions, 'credentials' | 'host'>;
}

/** A successful call as strategies that keep answers see it. The request is decoded when a strategy first reads it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  response: unknown;
  sentMetadata: readonly Metadata[] | undefined;
  responseMetadata: Metadata | undefined;
  readonly #call: AnsweredCall;
  readonly #chain: FallbackChain;
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
  get credentials(): CallCredentials | undefined {
    return this.#call.options.credentials;
  }
  get host(): string | undefined {
    return this.#call.options.host;
  }
  get requestBytes(): Buffer | undefined {
    return this.#call.sent?.first;
  }
  get request(): unknown {
    const { requestBytes } = this;
    return requestBytes === undefined ? undefined : this.#chain.decodeRequest(requestBytes);
  }

  /** @returns the metadata for the real call: a copy of the caller's, which notes what is sent */
  watched(metadata: Metadata): Metadata {
    const sent: Metadata[] = [];
    this.sentMetadata = sent;
    return watchedMetadata(metadata.clone(), (each) => sent.push(each));
  }

  hasMetadata(metadata: Metadata): void {
    this.responseMetadata = metadata;
  }

  hasResponse(message: unknown): void {
    this.response = message;
    this.#responses++;
  }

  /** Offers the answer to the chain. A unary call with two response messages has no answer to keep. */
  keep(): void {
    if (this.#responses === 1 && this.#chain.keeps) this.#chain.keep(this);
  }
}
