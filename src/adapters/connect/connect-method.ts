import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { Method } from '../../fallback/strategy.js';

/**
 * Makes a method of a protobuf-es service into a definition for `FallbackRegistry.register()`.
 * @example fallbacks.register(connectMethod(PredictorService.method.predict), [lastGood()]);
 */
export function connectMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
): Method<MessageShape<I>, MessageShape<O>> {
  const { input, output, methodKind } = method;
  return {
    path: pathOf(method),
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => encode(input, message),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => encode(output, message),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/** `/package.Service/Method` */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

/** Encodes a message, or the initial values of a message, which user code may give as an answer. */
function encode<D extends DescMessage>(schema: D, message: MessageShape<D>): Buffer {
  const init: unknown = message;
  return Buffer.from(toBinary(schema, create(schema, init as MessageInitShape<D>)));
}
