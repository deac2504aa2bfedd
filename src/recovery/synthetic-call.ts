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

/** How the primary's own calls are sent and read. */
export type AnyMethod = InterceptorOptions['method_definition'];

/** How a synthetic call has ended. */
export interface EndedProbe {
  readonly status: StatusObject;
  /** Undefined without one. */
  readonly response: unknown;
  readonly durationMs: number;
  /** Whether it waited for a connection too: then its duration is no latency of the server. */
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
 * Makes a synthetic call past the guard. Its status is the answer, whatever it is.
 * @param running gets a function that ends the call, as long as it goes on
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
    // grpc-js calls back first; the status event comes next, whatever the status is
    call.on('status', (ended: StatusObject) => {
      running.delete(cancel);
      const durationMs = clock.now() - startMs;
      const given = ended.code === status.OK ? response : undefined;
      resolve({ status: ended, response: given, durationMs, isConnecting });
    });
  });
}

function isConnected(client: Client): boolean {
  // within the reader, because a client of another library may have no channel
  const channel = { getConnectivityState: () => client.getChannel().getConnectivityState(false) };
  return channelState(channel, connectivityState.READY) === connectivityState.READY;
}
