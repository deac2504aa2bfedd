import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { AnsweredCall } from './answered-call.js';

/** What a chain may keep of a call that went well. The request is decoded only for a strategy that looks into it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  readonly metadata: Metadata;
  readonly credentials: CallCredentials | undefined;
  readonly host: string | undefined;
  readonly requestBytes: Buffer | undefined;
  readonly response: unknown;
  readonly #chain: FallbackChain;

  constructor(call: AnsweredCall, chain: FallbackChain, circuitKey: string, response: unknown) {
    this.method = call.guard.path;
    this.circuitKey = circuitKey;
    this.metadata = call.metadata;
    this.credentials = call.options.credentials;
    this.host = call.options.host ?? undefined;
    this.requestBytes = call.requestBytes;
    this.response = response;
    this.#chain = chain;
  }

  get request(): unknown {
    return this.requestBytes === undefined ? undefined : this.#chain.decodeRequest(this.requestBytes);
  }
}
