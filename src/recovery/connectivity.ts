import { type Client, connectivityState } from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';
import { invalid } from '../errors.js';
import type { ClientChannel } from './channels.js';
import type { Readiness, ReadinessCheck } from './check.js';

/** The part of a channel that the check uses. */
export type WatchedChannel = Pick<ClientChannel, 'getConnectivityState' | 'watchConnectivityState'>;

/** In milliseconds. The channel reports its changes itself; the polls only make an idle channel connect. */
const INTERVAL_MS = 1_000;

/**
 * Checks whether a client's channel has a connection, which costs no call. The check makes a channel connect that is idle, or that
 * waits between two attempts. A connection that was never lost is no answer, because a model can hang behind it: only a connection
 * that was lost and is back is `ready`. It is the default check of clients that were made with `guard.clientOptions()`.
 * @example createGuard({ recovery: { check: connectivity(client) } })
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function connectivity(client: Pick<Client, 'getChannel'>): ReadinessCheck {
  if (typeof client?.getChannel !== 'function')
    throw invalid('connectivity(client)', 'a grpc-js client', client);
  return channelCheck(() => [client.getChannel()]);
}

/** @param channels the channels that are known now; it is enough that one channel has a connection */
export function channelCheck(channels: () => Iterable<WatchedChannel>): ReadinessCheck {
  /** The outages that wait for a channel's next change, by their `changed`. */
  const waiting = new WeakMap<WatchedChannel, Set<() => void>>();
  /** The outages in which the connection was seen to be lost. Several guards may share a check: each has its own outages. */
  const lost = new WeakSet<() => void>();

  /** grpc-js reports one change per watch, without a timer, and a watch cannot be ended: so a channel has one watch at a time. */
  function watch(channel: WatchedChannel, state: connectivityState, changed: () => void): void {
    const known = waiting.get(channel);
    if (known !== undefined) {
      known.add(changed);
      return;
    }
    const outages = new Set([changed]);
    waiting.set(channel, outages);
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => {
      waiting.delete(channel);
      for (const each of outages) each();
    });
  }

  function readiness(changed: () => void): Readiness {
    let known = 0;
    for (const channel of channels()) {
      const state = stateOf(channel);
      if (state === connectivityState.SHUTDOWN) continue;
      known += 1;
      if (state === connectivityState.READY) return lost.delete(changed) ? 'ready' : 'no-answer';
      watch(channel, state, changed);
    }
    if (known === 0) return 'no-answer';
    lost.add(changed);
    return 'not-ready';
  }

  return {
    name: 'connectivity',
    scope: 'server',
    intervalMs: INTERVAL_MS,
    ask: ({ changed }) => readiness(changed),
  };
}

/** Makes a channel without a connection connect. A closed channel is left alone: grpc-js would connect it again. */
function stateOf(channel: WatchedChannel): connectivityState {
  const state = channelState(channel, connectivityState.SHUTDOWN);
  const isDown = state !== connectivityState.SHUTDOWN && state !== connectivityState.READY;
  return isDown ? channelState(channel, connectivityState.SHUTDOWN, true) : state;
}
