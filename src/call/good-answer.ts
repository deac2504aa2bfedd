import type { CallCredentials, InterceptorOptions, Metadata } from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { PrimaryAnswer } from '../fallback/strategy.js';
import type { Call, RealCall } from './call.js';
import { type MessageBytes, messageBytesOf } from './message-bytes.js';
import { sendsAsGiven } from './sends-as-given.js';
import { ownSentCallsOf, type SentCall } from './sent-calls.js';

/** The parts of a call under which a good answer is kept. */
export interface AnsweredCall extends Pick<Call, 'method' | 'metadata' | 'sent'> {
  readonly options: Pick<InterceptorOptions, 'credentials' | 'host'>;
}

/** A successful call, for strategies that keep answers. The request is decoded only when a strategy reads it. */
export class GoodAnswer implements PrimaryAnswer<unknown, unknown> {
  readonly method: string;
  readonly circuitKey: string;
  response: unknown;
  responseBytes: Buffer | undefined = undefined;
  responseMetadata: Metadata | undefined;
  readonly #call: AnsweredCall;
  readonly #chain: FallbackChain;
  /** Returns the calls that were sent for this call; undefined if the call was sent as the caller made it. */
  #sent: (() => readonly SentCall[]) | undefined;
  #responses = 0;
  /** Undefined if the bytes of the response are not noted, or do not stand for the response that the guard gets. */
  #bytes: MessageBytes | undefined;
  #definition: InterceptorOptions['method_definition'] | undefined;
  /** Whether the call may have been sent with other metadata, credentials or another host, and nothing was recorded. */
  #isUnproven = false;

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
    return this.#sent?.().map(({ metadata }) => metadata);
  }
  get sentWithOtherOptions(): boolean {
    const { credentials, host } = this;
    if (this.#isUnproven) return true;
    return this.#sent?.().some((sent) => sent.credentials !== credentials || sent.host !== host) === true;
  }

  /**
   * Notes how the real call will be sent: as the client's channel records it; or as it is given to `real`, where no interceptor can
   * change it. Otherwise that stays unknown.
   */
  sentBy(call: Pick<Call, 'method' | 'options' | 'makeReal'>, real: RealCall): void {
    const bytes = messageBytesOf(call);
    const list = ownSentCallsOf(call.options)?.list;
    if (list !== undefined) this.#sent = since(list);
    if (list !== undefined && bytes === undefined) return;
    const isAsGiven = sendsAsGiven(call.makeReal, real);
    bytes?.place.found(isAsGiven);
    if (isAsGiven) {
      if (bytes === undefined || !this.#chain.isDecoder(bytes.deserialize)) return;
      this.#bytes = bytes;
      this.#definition = call.options.method_definition;
    } else if (list === undefined) {
      this.#sent = unknown;
      // A client made with `guard.clientOptions()` keeps only what is proved, also where callers do not differ.
      this.#isUnproven = bytes !== undefined;
    }
  }

  /** Sets the metadata with which another transport than grpc-js sent the call; an empty list if they are unknown. */
  setSentMetadata(sent: readonly Metadata[]): void {
    const { credentials, host } = this;
    this.#sent = () => sent.map((metadata) => ({ metadata, credentials, host }));
  }

  setMetadata(metadata: Metadata): void {
    this.responseMetadata = metadata;
  }

  setResponse(message: unknown): void {
    this.response = message;
    if (this.#definition !== undefined)
      this.responseBytes = this.#bytes?.takeResponse(message, this.#definition);
    this.#responses++;
  }

  /** Offers the answer to the chain, unless a unary call got two response messages. */
  keep(): void {
    if (this.#responses === 1 && this.#chain.keeps) this.#chain.keep(this);
  }
}

/** The calls that are recorded from now on: a retry of an interceptor before the guard is a new call. */
function since(list: readonly SentCall[]): () => readonly SentCall[] {
  const first = list.length;
  return () => list.slice(first);
}

function unknown(): readonly SentCall[] {
  return [];
}
