import {
  type Channel,
  type InterceptingCall,
  type InterceptingListener,
  Metadata,
  type MethodDefinition,
  type NextCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js';

type GrpcCall = ReturnType<Channel['createCall']>;
type RealCall = ReturnType<NextCall>;

/** The real call of a channel, for interceptors: it takes and gives messages, and encodes and decodes them. */
export class BottomCall implements RealCall {
  readonly #call: GrpcCall;
  readonly #definition: MethodDefinition<unknown, unknown>;

  constructor(call: GrpcCall, definition: MethodDefinition<unknown, unknown>) {
    this.#call = call;
    this.#definition = definition;
  }

  start(metadata: Metadata, listener: Partial<InterceptingListener> = {}): void {
    const { responseStream } = this.#definition;
    let hasMessage = false;
    let unreadable: StatusObject | undefined;
    this.#call.start(metadata, {
      onReceiveMetadata: (headers) => listener.onReceiveMetadata?.(headers),
      onReceiveMessage: (bytes: Buffer) => {
        const decoded = this.#decode(bytes);
        if ('problem' in decoded) {
          unreadable = decoded.problem;
          this.#call.cancelWithStatus(unreadable.code, unreadable.details);
          return;
        }
        hasMessage = true;
        listener.onReceiveMessage?.(decoded.message);
      },
      onReceiveStatus: (received) => {
        if (!responseStream && !hasMessage) listener.onReceiveMessage?.(null);
        listener.onReceiveStatus?.(unreadable ?? received);
      },
    });
    if (!responseStream) this.#call.startRead();
  }

  #decode(bytes: Buffer): { readonly message: unknown } | { readonly problem: StatusObject } {
    try {
      return { message: this.#definition.responseDeserialize(bytes) };
    } catch (error) {
      const details = `Response message parsing error: ${String(error)}`.toWellFormed();
      return { problem: { code: status.INTERNAL, details, metadata: new Metadata() } };
    }
  }

  sendMessageWithContext(
    context: Parameters<InterceptingCall['sendMessageWithContext']>[0],
    message: unknown,
  ): void {
    let bytes: Buffer;
    try {
      bytes = this.#definition.requestSerialize(message);
    } catch (error) {
      const details = `Request message serialization failure: ${String(error)}`.toWellFormed();
      this.#call.cancelWithStatus(status.INTERNAL, details);
      return;
    }
    this.#call.sendMessageWithContext(context, bytes);
  }

  sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }

  startRead(): void {
    this.#call.startRead();
  }

  halfClose(): void {
    this.#call.halfClose();
  }

  cancelWithStatus(code: status, details: string): void {
    this.#call.cancelWithStatus(code, details);
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  getAuthContext(): ReturnType<RealCall['getAuthContext']> {
    return this.#call.getAuthContext?.() ?? null;
  }
}
