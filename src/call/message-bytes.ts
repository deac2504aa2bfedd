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
  /** The definition as the client has it. */
  readonly definition: Definition;
  /** Gets the bytes of the message that is being sent. */
  private receiver: SentMessages | undefined = undefined;
  private response: unknown = undefined;
  private responseBytes: Buffer | undefined = undefined;

  constructor(place: GuardPlace, definition: Definition) {
    this.place = place;
    this.definition = definition;
  }

  /**
   * Sends a message, and adds its bytes to `sent`.
   * @param real a call that encodes the message before it returns (`encodesAtOnce()`): later, the message may have changed
   */
  send(real: RealCall, context: MessageContext, message: unknown, sent: SentMessages): void {
    this.receiver = sent;
    try {
      real.sendMessageWithContext(context, message);
    } finally {
      // if an interceptor has given the client another definition, the message is encoded here
      if (this.receiver !== undefined) sent.add(message);
      this.receiver = undefined;
    }
  }

  encoded(bytes: Buffer): void {
    const { receiver } = this;
    this.receiver = undefined;
    receiver?.addBytes(bytes);
  }

  decoded(response: unknown, bytes: Buffer): void {
    // a channel of another kind may give other types than grpc-js's own
    if (typeof response !== 'object' || !Buffer.isBuffer(bytes)) return;
    this.response = response;
    this.responseBytes = bytes;
  }

  /** The bytes of the response that was decoded last, once; undefined for every other value. */
  takeResponse(response: unknown): Buffer | undefined {
    const { responseBytes } = this;
    if (responseBytes === undefined || response !== this.response) return undefined;
    this.response = undefined;
    this.responseBytes = undefined;
    return responseBytes;
  }
}

/** A definition, as one call of a client has it, whose functions note the bytes of the call's messages. */
export function noted(definition: Definition, place: GuardPlace): Definition {
  const bytes = new MessageBytes(place, definition);
  const { path, requestStream, responseStream } = definition; // by name, because they may be inherited
  // the property first, because adding a property to a copy costs a microsecond in V8
  const copy: NotedDefinition = Object.assign(
    { [MESSAGE_BYTES]: bytes, path, requestStream, responseStream },
    definition,
  );
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

/** Whether the bytes of a call's messages are noted, for whichever guard. */
export function isNoted(definition: NotedDefinition): boolean {
  return definition[MESSAGE_BYTES] !== undefined;
}

/** The definition without the notes, for use after the call: the notes may hold the call's answer. */
export function withoutNotes<D extends NotedDefinition>(definition: D): D | Definition {
  return definition[MESSAGE_BYTES]?.definition ?? definition;
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
