import type { Channel } from '@grpc/grpc-js';

/** What the calls of one interceptor know of the connections below them. A call itself sees no channel. */
export class Connection {
  /** The client's channel, where the client has shown it. */
  channel: Pick<Channel, 'getConnectivityState'> | undefined;
}
