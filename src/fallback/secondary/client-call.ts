import { type CallOptions, type Client, type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { normalStatus } from '../../status/normal-status.js';
import type { Method } from '../strategy.js';

/** A call that a fallback makes on another client. */
export interface FallbackCall {
  readonly client: Client;
  readonly method: Method<unknown, unknown>;
  readonly metadata: Metadata;
  readonly options: CallOptions;
  readonly signal: AbortSignal;
  /** Called before the end when a request cannot be encoded, so that the failure does not count against the server. */
  readonly onUnsendable: () => void;
  /** Called once, with the status of a failed call, or null for OK. */
  readonly onEnd: (failed: StatusObject | null) => void;
}

/** A response of another client, with its headers. */
export interface ClientAnswer<T> {
  readonly response: T;
  /** Undefined where an interceptor of the client gave no headers. */
  readonly headers: Metadata | undefined;
}

/** Makes a unary or client-streaming call. @throws the status of a failed call, as a rejection */
export function callForOne(call: FallbackCall, requests: readonly unknown[]): Promise<ClientAnswer<unknown>> {
  const { client, method, metadata, options, signal } = call;
  return new Promise((resolve, reject) => {
    let headers: Metadata | undefined;
    const note = (received: Metadata) => {
      headers = received;
    };
    const done = (error: Error | null, response: unknown) => {
      signal.removeEventListener('abort', cancel);
      const failed = error === null ? null : normalised(error);
      call.onEnd(failed);
      if (failed === null) resolve({ response, headers });
      else reject(failed);
    };
    const { path } = method;
    const encode = encoderOf(call);
    const decode = (bytes: Buffer) => method.responseDeserialize(bytes);
    let running: { cancel(): void } | undefined; // an interceptor may answer before it is set
    const cancel = () => running?.cancel();
    if (method.requestStream) {
      const stream = client.makeClientStreamRequest(path, encode, decode, metadata, options, done);
      stream.on('metadata', note);
      running = stream;
      for (const request of requests) stream.write(request);
      stream.end();
    } else {
      const unary = client.makeUnaryRequest(path, encode, decode, requests[0], metadata, options, done);
      unary.on('metadata', note);
      running = unary;
    }
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel);
  });
}

/**
 * Makes a server-streaming call. Settles with the first response, so that the next strategy can be asked if the call fails
 * before it. The other responses follow as they are read.
 * @throws the status of a call that failed before its first response, as a rejection
 */
export async function callForMany(
  call: FallbackCall,
  request: unknown,
): Promise<ClientAnswer<AsyncIterable<unknown>>> {
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
  let headers: Metadata | undefined;
  stream.on('metadata', (received) => {
    headers = received;
  });
  // The event `status` comes last, also after an error.
  stream.on('status', (received) => {
    signal.removeEventListener('abort', cancel);
    const ended = normalStatus(received);
    call.onEnd(ended.code === status.OK ? null : ended);
  });
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel);
  const responses: AsyncIterator<unknown> = stream[Symbol.asyncIterator]();
  try {
    const first = await responses.next();
    return { response: follow(first, responses, cancel), headers };
  } catch (error) {
    throw error instanceof Error ? normalised(error) : error;
  }
}

/** Normalises the error of a client for a strategy's attempt: interceptors of that client may have made its status. */
function normalised(error: Error): Error & StatusObject {
  return Object.assign(error, normalStatus(error));
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
