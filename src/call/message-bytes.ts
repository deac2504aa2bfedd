import type { ClientOptions, InterceptorOptions } from '@grpc/grpc-js';
import type { Call, MessageContext, RealCall } from './call.js';
import type { GuardPlace } from './guard-place.js';
import { encodesAtOnce } from './sends-as-given.js';
import type { SentMessages } from './sent-messages.js';

type CallProperties = Parameters<NonNullable<ClientOptions['callInvocationTransformer']>>[0];
type Definition = CallProperties['methodDefinition'];

/** `Symbol.for`, so that another copy of this package sees that a call is noted. */
const MESSAGE_BYTES = Symbol.for('failsoft.message-bytes');

interface NotedDefinition extends Definition {
  [MESSAGE_BYTES]?: MessageBytes;
}

/**
 * Notes the bytes of a unary call's messages when the client encodes and decodes them, so that a fallback which keeps messages need
 * not encode them a second time.
 */
export class MessageBytes {
  readonly place: GuardPlace;
  /** The client's own function. */
  readonly serialize: Definition['requestSerialize'];
  /** The client's own function. */
  readonly deserialize: Definition['responseDeserialize'];
  private encode: unknown = undefined;
  private decode: unknown = undefined;
  private response: unknown = undefined;
  private responseBytes: Buffer | undefined = undefined;

  constructor(place: GuardPlace, { requestSerialize, responseDeserialize }: Definition) {
    this.place = place;
    this.serialize = requestSerialize;
    this.deserialize = responseDeserialize;
  }

  /**
   * Makes the functions of a definition note the bytes.
   * @param original `this` of the client's own functions
   * @param responses whether the bytes of the response are noted, too
   */
  noteIn(noting: Definition, original: Definition, responses: boolean): void {
    noting.requestSerialize = this.encode = (request: unknown) => {
      const bytes = this.serialize.call(original, request);
      encoded(request, bytes);
      return bytes;
    };
    if (!responses) return;
    noting.responseDeserialize = this.decode = (bytes: Buffer) => {
      const response: unknown = this.deserialize.call(original, bytes);
      // a channel of another kind may give other types than grpc-js's own
      if (typeof response === 'object' && Buffer.isBuffer(bytes)) {
        this.response = response;
        this.responseBytes = bytes;
      }
      return response;
    };
  }

  /** Whether the bytes are those that are sent: an interceptor may have replaced the function in the definition. */
  isEncoderOf({ requestSerialize }: Definition): boolean {
    return requestSerialize === this.encode;
  }

  /**
   * The bytes of the response that was decoded last, once; undefined for every other value, and if an interceptor has replaced the
   * function in the definition.
   */
  takeResponse(response: unknown, { responseDeserialize }: Definition): Buffer | undefined {
    const { responseBytes } = this;
    if (responseBytes === undefined || response !== this.response) return undefined;
    this.response = undefined;
    this.responseBytes = undefined;
    return responseDeserialize === this.decode ? responseBytes : undefined;
  }
}

/** The message that is being sent. Its bytes are noted when the client encodes it. */
interface Sending {
  readonly message: unknown;
  readonly sent: SentMessages;
}

/** For the whole module, because an interceptor may give a call the definition of another call. */
let sending: Sending | undefined;

/**
 * Sends a message, and adds its bytes to `sent`.
 * @param real a call that encodes the message before it returns (`encodesAtOnce()`): later, the message may have changed
 */
export function sendNoted(
  real: RealCall,
  context: MessageContext,
  message: unknown,
  sent: SentMessages,
): void {
  const outer = sending; // a channel may make another call at once
  const own = { message, sent };
  sending = own;
  try {
    real.sendMessageWithContext(context, message);
  } finally {
    const isNoted = sending !== own;
    sending = outer;
    if (!isNoted) sent.add(message);
  }
}

function encoded(message: unknown, bytes: Buffer): void {
  if (sending === undefined || sending.message !== message) return;
  const { sent } = sending;
  sending = undefined;
  sent.addBytes(bytes);
}

/**
 * A definition that notes the bytes of one call's messages: the same object where grpc-js has made it for this call alone, else a
 * copy, because it may serve several calls.
 */
export function noted(definition: Definition, place: GuardPlace, responses: boolean): Definition {
  const bytes = new MessageBytes(place, definition);
  const noting: NotedDefinition = isMadeForCall(definition) ? definition : copyOf(definition);
  noting[MESSAGE_BYTES] = bytes;
  bytes.noteIn(noting, definition, responses);
  return noting;
}

/** Whether grpc-js has made a definition for a single call. Those of a service can also decode requests and encode responses. */
function isMadeForCall(definition: Definition): boolean {
  return Object.isExtensible(definition) && !('responseSerialize' in definition);
}

function copyOf(definition: Definition): Definition {
  // by name, because they may be inherited
  const { path, requestStream, responseStream, requestSerialize, responseDeserialize } = definition;
  const named = { path, requestStream, responseStream, requestSerialize, responseDeserialize };
  return Object.assign(named, definition);
}

/** Whether the bytes of a call's messages are noted, for whichever guard. */
export function isNoted(definition: NotedDefinition): boolean {
  return definition[MESSAGE_BYTES] !== undefined;
}

/** The definition without the notes, for use after the call: the notes may hold the call's answer. */
export function withoutNotes<D extends NotedDefinition>(definition: D): D {
  const bytes = definition[MESSAGE_BYTES];
  if (bytes === undefined) return definition;
  const { serialize, deserialize } = bytes;
  return {
    ...definition,
    [MESSAGE_BYTES]: undefined,
    requestSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

/** The parts of a call that decide where its bytes are noted. */
interface NotedCall {
  readonly options: Pick<InterceptorOptions, 'method_definition'>;
  readonly method: Pick<Call['method'], 'mark'>;
}

/** Where the bytes of a call's messages are noted for its guard; undefined if they are not. */
export function messageBytesOf({ options, method }: NotedCall): MessageBytes | undefined {
  const definition: NotedDefinition = options.method_definition;
  const bytes = definition[MESSAGE_BYTES];
  return bytes?.place.guard === method.mark ? bytes : undefined;
}

/** Whether the client notes the bytes of a message for the call's guard while the message is sent. */
export function isNotedWhenSent(call: NotedCall, real: RealCall): boolean {
  const bytes = messageBytesOf(call);
  return bytes?.isEncoderOf(call.options.method_definition) === true && encodesAtOnce(real);
}
