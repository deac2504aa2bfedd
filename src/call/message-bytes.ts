import type { ClientOptions, InterceptorOptions } from '@grpc/grpc-js';
import type { Call, MessageContext, RealCall } from './call.js';
import type { GuardedBy } from './guarded-mark.js';
import type { SentMessages } from './sent-messages.js';

type CallProperties = Parameters<NonNullable<ClientOptions['callInvocationTransformer']>>[0];
type Definition = CallProperties['methodDefinition'];

const MESSAGE_BYTES = Symbol('failsoft: bytes of the messages');

interface NotedDefinition extends Definition {
  [MESSAGE_BYTES]?: MessageBytes;
}

/** Whether a guard is the last interceptor of its client, next to grpc-js. The guard finds it out at the client's first call. */
export class GuardPlace {
  readonly guard: GuardedBy;
  /** Undefined before the first call; false for ever once a call has shown it. */
  private last: boolean | undefined = undefined;

  constructor(guard: GuardedBy) {
    this.guard = guard;
  }

  get isLast(): boolean | undefined {
    return this.last;
  }

  found(isLast: boolean): void {
    if (this.last !== false) this.last = isLast;
  }
}

/**
 * Notes the bytes of a unary call's messages when the client encodes and decodes them, so that a fallback which keeps messages need
 * not encode them a second time.
 */
export class MessageBytes {
  readonly place: GuardPlace;
  /** Gets the bytes of the message that is encoded next. */
  private receiver: SentMessages | undefined = undefined;
  private response: unknown = undefined;
  private responseBytes: Buffer | undefined = undefined;

  constructor(place: GuardPlace) {
    this.place = place;
  }

  /**
   * Sends a message, and adds its bytes to `sent`.
   * @param real a call of grpc-js itself, because it encodes the message before it returns: later, the message may have changed
   */
  send(real: RealCall, context: MessageContext, message: unknown, sent: SentMessages): void {
    this.receiver = sent;
    real.sendMessageWithContext(context, message);
  }

  encoded(bytes: Buffer): void {
    const { receiver } = this;
    this.receiver = undefined;
    receiver?.addBytes(bytes);
  }

  decoded(response: unknown, bytes: Buffer): void {
    this.response = response;
    this.responseBytes = bytes;
  }

  /** The bytes of the response that was decoded last; undefined for every other object, and for a response that is no object. */
  ofResponse(response: unknown): Buffer | undefined {
    return typeof response === 'object' && response === this.response ? this.responseBytes : undefined;
  }
}

/** A definition, as one call of a client has it, whose functions note the bytes of the call's messages. */
export function noted(definition: NotedDefinition, place: GuardPlace): Definition {
  if (definition[MESSAGE_BYTES] !== undefined) return definition; // by another guard of the client
  const bytes = new MessageBytes(place);
  // the property first, because adding a property to a copy costs a microsecond in V8
  const copy: NotedDefinition = Object.assign({ [MESSAGE_BYTES]: bytes }, definition);
  copy.requestSerialize = (request) => {
    const encoded = definition.requestSerialize(request);
    bytes.encoded(encoded);
    return encoded;
  };
  copy.responseDeserialize = (encoded) => {
    const response: unknown = definition.responseDeserialize(encoded);
    bytes.decoded(response, encoded);
    return response;
  };
  return copy;
}

/** Where the bytes of a call's messages are noted for its guard; undefined if they are not. */
export function messageBytesOf({
  options,
  method,
}: {
  readonly options: Pick<InterceptorOptions, 'method_definition'>;
  readonly method: Pick<Call['method'], 'mark'>;
}): MessageBytes | undefined {
  const definition: NotedDefinition = options.method_definition;
  const bytes = definition[MESSAGE_BYTES];
  return bytes?.place.guard === method.mark ? bytes : undefined;
}
