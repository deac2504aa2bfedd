import {
  type CallCredentials,
  type Channel,
  type InterceptingListener,
  type Interceptor,
  type InterceptorOptions,
  type Metadata,
  type MethodDefinition,
  type NextCall,
  status,
} from '@grpc/grpc-js';
import { markSendsAsGiven } from '../call/sends-as-given.js';
import { BottomCall } from './bottom-call.js';

/** The part of a method's definition that a channel needs. Declared with methods, not properties, so that typed services fit. */
export interface ChannelMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Whether the caller sends a stream of messages. */
  readonly requestStream: boolean;
  /** Whether the server answers with a stream of messages. */
  readonly responseStream: boolean;
  /** Encodes a request. */
  requestSerialize(value: never): Uint8Array;
  /** Decodes a request. */
  requestDeserialize(bytes: Buffer): unknown;
  /** Encodes an answer. */
  responseSerialize(value: never): Uint8Array;
  /** Decodes an answer. */
  responseDeserialize(bytes: Buffer): unknown;
}

type GrpcCall = ReturnType<Channel['createCall']>;
type RealCall = ReturnType<NextCall>;
type CallOptionsOfChannel = Omit<InterceptorOptions, 'method_definition'>;

/** The bytes from which each message was decoded. They are sent again as they are. */
type Origins = WeakMap<object, Buffer>;

/**
 * A call of a guarded channel. It runs the guard's interceptor: a request is decoded before the interceptor and encoded behind it,
 * an answer the other way round.
 */
export class ChannelCall implements GrpcCall {
  readonly #channel: Channel;
  readonly #interceptor: Interceptor;
  readonly #definition: MethodDefinition<unknown, unknown>;
  readonly #options: CallOptionsOfChannel;
  readonly #origins: Origins = new WeakMap();
  #credentials: CallCredentials | undefined;
  #guarded: RealCall | undefined;
  #real: GrpcCall | undefined;

  constructor(
    channel: Channel,
    interceptor: Interceptor,
    method: ChannelMethod,
    options: CallOptionsOfChannel,
  ) {
    this.#channel = channel;
    this.#interceptor = interceptor;
    this.#definition = definitionOf(method, this.#origins);
    this.#options = options;
  }

  setCredentials(credentials: CallCredentials): void {
    this.#credentials = credentials;
  }

  start(metadata: Metadata, listener: InterceptingListener): void {
    const { responseStream, responseSerialize } = this.#definition;
    this.#call.start(metadata, {
      onReceiveMetadata: (headers) => listener.onReceiveMetadata(headers),
      onReceiveMessage: (message: unknown) => {
        // the null message of a failed call, which the user of a channel makes itself
        if (message === null && !responseStream) return;
        listener.onReceiveMessage(responseSerialize(message));
      },
      onReceiveStatus: (received) => listener.onReceiveStatus(received),
    });
  }

  sendMessageWithContext(context: Parameters<GrpcCall['sendMessageWithContext']>[0], bytes: Buffer): void {
    let message: unknown;
    try {
      message = this.#definition.requestDeserialize(bytes);
    } catch (error) {
      const details = `failsoft: the definition of ${this.#definition.path} does not decode this request: ${String(error)}`;
      return this.#call.cancelWithStatus(status.INTERNAL, details.toWellFormed());
    }
    this.#call.sendMessageWithContext(context, message);
  }

  startRead(): void {
    // the `BottomCall` of a unary response reads without being asked
    if (this.#definition.responseStream) this.#call.startRead();
  }

  halfClose(): void {
    this.#call.halfClose();
  }

  cancelWithStatus(code: status, details: string): void {
    this.#call.cancelWithStatus(code, details);
  }

  getPeer(): string {
    return this.#real?.getPeer() ?? 'unknown';
  }

  getCallNumber(): number {
    return this.#real?.getCallNumber() ?? 0;
  }

  getAuthContext(): ReturnType<GrpcCall['getAuthContext']> {
    return this.#real?.getAuthContext?.() ?? null; // exists from grpc-js 1.14 on
  }

  /** The guarded call. Made when first used, because the credentials are set after the constructor. */
  get #call(): RealCall {
    this.#guarded ??= this.#interceptor(
      {
        ...this.#options,
        ...(this.#credentials !== undefined && { credentials: this.#credentials }),
        method_definition: this.#definition,
      },
      markSendsAsGiven((options) => this.#bottom(options)),
    );
    return this.#guarded;
  }

  /** The real channel's call, behind the interceptor. */
  #bottom(options: InterceptorOptions): RealCall {
    const { deadline, host, parent, propagate_flags, credentials } = options;
    const real = this.#channel.createCall(
      this.#definition.path,
      deadline ?? Number.POSITIVE_INFINITY,
      host,
      parent ?? null,
      propagate_flags,
    );
    if (credentials !== undefined) real.setCredentials(credentials);
    this.#real = real;
    return new BottomCall(real, this.#definition);
  }
}

/** A definition that remembers the bytes of each message that it decodes, and encodes the message by giving them back. */
function definitionOf(method: ChannelMethod, origins: Origins): MethodDefinition<unknown, unknown> {
  const remember = (message: unknown, bytes: Buffer): unknown => {
    if (typeof message === 'object' && message !== null) origins.set(message, bytes);
    return message;
  };
  const encode = (message: unknown, by: (value: never) => Uint8Array): Buffer => {
    const known = typeof message === 'object' && message !== null ? origins.get(message) : undefined;
    if (known !== undefined) return known;
    const bytes = by(message as never); // the message of a fallback, whose type its chain has checked
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  };
  return {
    path: method.path,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: (message) => encode(message, (value) => method.requestSerialize(value)),
    requestDeserialize: (bytes) => remember(method.requestDeserialize(bytes), bytes),
    responseSerialize: (message) => encode(message, (value) => method.responseSerialize(value)),
    responseDeserialize: (bytes) => remember(method.responseDeserialize(bytes), bytes),
  };
}
