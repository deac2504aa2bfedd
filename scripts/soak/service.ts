import type { MethodDefinition } from '@grpc/grpc-js';

/** Every message of the soak, in both directions. An answer repeats what it was asked, so that it can be checked. */
export interface Message {
  /** As in the Open Inference Protocol, where `perModel()` reads it. */
  readonly model_name: string;
  readonly tenant: string;
  readonly text: string;
}

const serialize = (message: Message) =>
  Buffer.from(JSON.stringify({ model_name: message.model_name, tenant: message.tenant, text: message.text }));
const deserialize = (bytes: Buffer): Message => {
  const parsed: unknown = JSON.parse(bytes.toString());
  if (!isMessage(parsed)) throw new Error(`no message of the soak: ${bytes.toString().slice(0, 100)}`);
  return parsed;
};

function isMessage(value: unknown): value is Message {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['model_name', 'tenant', 'text'].every((field) => field in value)
  );
}

function method(
  path: string,
  requestStream = false,
  responseStream = false,
): MethodDefinition<Message, Message> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

/** All methods of the soak's servers. */
export const soakService = {
  unary: method('/soak.Echo/Unary'),
  clientStream: method('/soak.Echo/ClientStream', true, false),
  serverStream: method('/soak.Echo/ServerStream', false, true),
  bidi: method('/soak.Echo/Bidi', true, true),
  /** Names its model in the message. */
  infer: method('/inference.GRPCInferenceService/ModelInfer'),
  /** Names its model in the metadata, as Ray Serve's calls do. */
  predict: method('/soak.Applications/Predict'),
  /** Has a queue behind it. */
  score: method('/soak.Scores/Score'),
};

/** Metadata of the model, and of the tenant. */
export const APPLICATION = 'application';
export const TENANT = 'tenant';
