import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { Call } from './call.js';

/** What a chain may keep of a call that goes well. The request is decoded only for a strategy that looks into it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  response: unknown;
  sentMetadata: Metadata | undefined;
  responseMetadata: Metadata | undefined;
  readonly #call: Call;
  readonly #chain: FallbackChain;
  #responses = 0;

  constructor(call: Call, chain: FallbackChain, circuitKey: string) {
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

  /** The metadata that the real call is started with; interceptors behind the guard may still change it. */
  sends(metadata: Metadata): void {
    this.sentMetadata = metadata;
  }

  hasMetadata(metadata: Metadata): void {
    this.responseMetadata = metadata;
  }

  hasResponse(message: unknown): void {
    this.response = message;
    this.#responses++;
  }

  /** Shows it to the strategies that keep answers. Two messages where a method has one are no answer. */
  keep(): void {
    if (this.#responses === 1 && this.#chain.keeps) this.#chain.keep(this);
  }
}
