import type { Method } from 'failsoft';

/** A method whose messages are JSON: an adapter's messages need not be protobuf. */
export function jsonMethod<Req, Res>(
  path: string,
  { requestStream = false, responseStream = false } = {},
): Method<Req, Res> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (value) => Buffer.from(JSON.stringify(value)),
    requestDeserialize: (bytes) => JSON.parse(bytes.toString()),
    responseSerialize: (value) => Buffer.from(JSON.stringify(value)),
    responseDeserialize: (bytes) => JSON.parse(bytes.toString()),
  };
}
