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
import { BottomCall } from './bottom-call.js';

/** The part of a method's definition that a channel needs. Its functions are declared as methods, so that services can be passed. */
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

/** The bytes that a message was decoded from: it is passed on as it came. */
type Origins = WeakMap<object, Buffer>;

/**
 * A call of a channel, which is a call of an interceptor on the inside: messages are decoded on the way in, and are bytes again on the
 * way out.
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
        // the null message of a failed call: the user of a channel makes its own
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
    // the bottom of a call with one answer reads by itself
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

  /** Made when it is first used: the credentials come after the call. */
  get #call(): RealCall {
    this.#guarded ??= this.#interceptor(
      {
        ...this.#options,
        ...(this.#credentials !== undefined && { credentials: this.#credentials }),
        method_definition: this.#definition,
      },
      (options) => this.#bottom(options),
    );
    return this.#guarded;
  }

  /** The end of the interceptors: the real channel's call. */
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

/** A definition that remembers the bytes of what it decodes. */
function definitionOf(method: ChannelMethod, origins: Origins): MethodDefinition<unknown, unknown> {
  const remember = (message: unknown, bytes: Buffer): unknown => {
    if (typeof message === 'object' && message !== null) origins.set(message, bytes);
    return message;
  };
  const encode = (message: unknown, by: (value: never) => Uint8Array): Buffer => {
    const known = typeof message === 'object' && message !== null ? origins.get(message) : undefined;
    if (known !== undefined) return known;
    const bytes = by(message as never); // by the method's own decoder, or checked by its fallbacks' chain
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
