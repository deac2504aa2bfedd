import {
  type Client,
  connectivityState,
  type InterceptorOptions,
  type Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';
import type { Clock } from '../clock.js';

/** The definition of a method, as grpc-js gives it to interceptors. */
export type AnyMethod = InterceptorOptions['method_definition'];

/** The end of a synthetic call. */
export interface EndedProbe {
  readonly status: StatusObject;
  /** Undefined where the call failed. */
  readonly response: unknown;
  readonly durationMs: number;
  /** Whether the call also waited for a connection: then its duration is no latency of the server. */
  readonly isConnecting: boolean;
}

/** What a synthetic call sends. */
export interface ProbeRequest {
  readonly request: unknown;
  readonly metadata: Metadata;
}

/** Where a synthetic call goes. */
export interface ProbedMethod {
  readonly client: Client;
  readonly definition: AnyMethod;
  /** How long it may take, in milliseconds. */
  readonly limitMs: number;
}

/**
 * Makes a synthetic call past the guard. Resolves with the status of the call, whether it succeeded or failed.
 * @param running has a function that cancels the call, while the call runs
 * @throws the error of grpc-js, as a rejection, where no call can be made: the client is closed, or the request cannot be encoded
 */
export function sendProbe(
  { client, definition, limitMs }: ProbedMethod,
  { request, metadata }: ProbeRequest,
  clock: Clock,
  running: Set<() => void>,
): Promise<EndedProbe> {
  const startMs = clock.now();
  const isConnecting = !isConnected(client);
  const { path, requestSerialize, responseDeserialize } = definition;
  const options = { deadline: Date.now() + limitMs, failsoft: { bypass: true } };
  return new Promise((resolve) => {
    let response: unknown;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (_error, value) => {
        response = value;
      },
    );
    const cancel = () => call.cancel();
    running.add(cancel);
    // grpc-js calls the callback first; the event `status` follows, for every status
    call.on('status', (ended: StatusObject) => {
      running.delete(cancel);
      const durationMs = clock.now() - startMs;
      const given = ended.code === status.OK ? response : undefined;
      resolve({ status: ended, response: given, durationMs, isConnecting });
    });
  });
}

function isConnected(client: Client): boolean {
  // `getChannel()` is called where its error is caught: a client of another library may have no channel
  const channel = { getConnectivityState: () => client.getChannel().getConnectivityState(false) };
  return channelState(channel, connectivityState.READY) === connectivityState.READY;
}
