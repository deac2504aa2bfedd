import { type CallOptions, type Client, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Method } from '../strategy.js';

/** One call of another client, as a fallback makes it. */
export interface FallbackCall {
  readonly client: Client;
  readonly method: Method<unknown, unknown>;
  readonly metadata: Metadata;
  readonly options: CallOptions;
  readonly signal: AbortSignal;
  /** Hears, before the end, that a request cannot be encoded: the server will have had no part in it. */
  readonly onUnsendable: () => void;
  /** Hears once how the call ended: null for OK. */
  readonly onEnd: (error: ServiceError | null) => void;
}

/** The one response of a unary or client-streaming call. */
export function callForOne(call: FallbackCall, requests: readonly unknown[]): Promise<unknown> {
  const { client, method, metadata, options, signal } = call;
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, response: unknown) => {
      signal.removeEventListener('abort', cancel);
      call.onEnd(error);
      if (error === null) resolve(response);
      else reject(error);
    };
    const { path } = method;
    const encode = encoderOf(call);
    const decode = (bytes: Buffer) => method.responseDeserialize(bytes);
    // An interceptor may answer before it is there.
    let running: { cancel(): void } | undefined;
    const cancel = () => running?.cancel();
    if (method.requestStream) {
      const stream = client.makeClientStreamRequest(path, encode, decode, metadata, options, done);
      running = stream;
      for (const request of requests) stream.write(request);
      stream.end();
    } else {
      running = client.makeUnaryRequest(path, encode, decode, requests[0], metadata, options, done);
    }
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel);
  });
}

/**
 * The responses of a server-streaming call. Settles with the first one, so that a call that fails before it leaves the
 * next strategy a chance; the others follow as they are read.
 */
export async function callForMany(call: FallbackCall, request: unknown): Promise<AsyncIterable<unknown>> {
  const { client, method, metadata, options, signal } = call;
  const stream = client.makeServerStreamRequest(
    method.path,
    encoderOf(call),
    (bytes: Buffer) => method.responseDeserialize(bytes),
    request,
    metadata,
    options,
  );
  const cancel = () => stream.cancel();
  const end = (error: ServiceError | null) => {
    signal.removeEventListener('abort', cancel);
    call.onEnd(error);
  };
  // The status comes after an error too, and last of all.
  stream.on('status', ({ code, details, metadata: trailers }) => {
    end(code === status.OK ? null : Object.assign(new Error(details), { code, details, metadata: trailers }));
  });
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel);
  const responses: AsyncIterator<unknown> = stream[Symbol.asyncIterator]();
  const first = await responses.next();
  return follow(first, responses, cancel);
}

function encoderOf({ method, onUnsendable }: FallbackCall): (request: unknown) => Buffer {
  return (request) => {
    try {
      return method.requestSerialize(request);
    } catch (error) {
      onUnsendable();
      throw error; // grpc-js makes a status of it
    }
  };
}

async function* follow(
  first: IteratorResult<unknown>,
  rest: AsyncIterator<unknown>,
  cancel: () => void,
): AsyncGenerator<unknown> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    cancel(); // a reader that stops early must not leave the call running
  }
}
