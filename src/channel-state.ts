import type { Channel, connectivityState } from '@grpc/grpc-js';

/**
 * The state of a channel. Never throws.
 * @param whenClosed the result if the channel throws: it is closed, or it is no channel of grpc-js
 * @param connect whether an idle channel begins to connect
 */
export function channelState(
  channel: Pick<Channel, 'getConnectivityState'>,
  whenClosed: connectivityState,
  connect = false,
): connectivityState {
  try {
    return channel.getConnectivityState(connect);
  } catch {
    return whenClosed;
  }
}
