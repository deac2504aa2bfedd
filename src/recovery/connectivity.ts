import { type Client, connectivityState } from '@grpc/grpc-js';
import type { ClientChannel } from './channels.js';
import type { Readiness, ReadinessCheck } from './check.js';

/** The part of a channel that the check uses. */
export type WatchedChannel = Pick<ClientChannel, 'getConnectivityState' | 'watchConnectivityState'>;

/** Changes are reported by the channel; the polls only ask an idle channel to connect. */
const INTERVAL_MS = 1_000;

/**
 * Whether a client's channel has a connection: costs no call. A channel that is idle or waits between two attempts is asked to connect.
 * A connection that was never lost says nothing, because a model can hang behind it: only one that is back is `ready`.
 * It is the check of a client that was made with `guard.clientOptions()`, where no other is set.
 * @example createGuard({ recovery: { check: connectivity(client) } })
 */
export function connectivity(client: Pick<Client, 'getChannel'>): ReadinessCheck {
  return channelCheck(() => [client.getChannel()]);
}

/** @param channels those that are known now; one that has a connection is enough */
export function channelCheck(channels: () => Iterable<WatchedChannel>): ReadinessCheck {
  const watched = new WeakSet<WatchedChannel>();
  let wasDown = false;
  let changed = () => {};

  /** grpc-js tells one change per watch, without a timer, and cannot be told to stop: so one watch per channel at a time. */
  function watch(channel: WatchedChannel, state: connectivityState): void {
    if (watched.has(channel)) return;
    watched.add(channel);
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      watched.delete(channel);
      changed();
    });
  }

  function readiness(): Readiness {
    let known = 0;
    for (const channel of channels()) {
      const state = stateOf(channel);
      if (state === connectivityState.SHUTDOWN) continue;
      known += 1;
      if (state === connectivityState.READY) {
        const isBack = wasDown;
        wasDown = false;
        return isBack ? 'ready' : 'no-answer';
      }
      watch(channel, state);
    }
    if (known === 0) return 'no-answer';
    wasDown = true;
    return 'not-ready';
  }

  return {
    name: 'connectivity',
    scope: 'server',
    intervalMs: INTERVAL_MS,
    ask: (question) => {
      // another outage: what was seen in the last one is no news any more
      if (changed !== question.changed) wasDown = false;
      changed = question.changed;
      return readiness();
    },
  };
}

function stateOf(channel: WatchedChannel): connectivityState {
  try {
    return channel.getConnectivityState(true);
  } catch {
    return connectivityState.SHUTDOWN; // it was closed
  }
}
