import { type Client, connectivityState } from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';
import { invalid } from '../errors.js';
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
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function connectivity(client: Pick<Client, 'getChannel'>): ReadinessCheck {
  if (typeof client?.getChannel !== 'function')
    throw invalid('connectivity(client)', 'a grpc-js client', client);
  return channelCheck(() => [client.getChannel()]);
}

/** @param channels those that are known now; one that has a connection is enough */
export function channelCheck(channels: () => Iterable<WatchedChannel>): ReadinessCheck {
  /** The outages that wait for a channel's next change, by their `changed`. */
  const waiting = new WeakMap<WatchedChannel, Set<() => void>>();
  /** The outages in which the connection was seen to be lost. Several guards may share a check: each has its own outages. */
  const lost = new WeakSet<() => void>();

  /** grpc-js reports one change per watch, without a timer, and a watch cannot be ended: so one per channel at a time. */
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

/** Asks a channel without a connection to connect. A closed one is left alone: grpc-js would connect it again. */
function stateOf(channel: WatchedChannel): connectivityState {
  const state = channelState(channel, connectivityState.SHUTDOWN);
  const isDown = state !== connectivityState.SHUTDOWN && state !== connectivityState.READY;
  return isDown ? channelState(channel, connectivityState.SHUTDOWN, true) : state;
}
