import { type ChannelCredentials, Client, type ClientOptions, connectivityState } from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';

/** The interface of a channel. (`Channel`, which grpc-js exports, is the class.) */
export type ClientChannel = NonNullable<ClientOptions['channelOverride']>;

/** A client's interceptors without the guard's: the guard's own calls pass them too. grpc-js accepts only one of the two lists. */
export type OtherInterceptors = Pick<ClientOptions, 'interceptors' | 'interceptor_providers'>;

/** The most channels of one target that are remembered. */
const MOST_CHANNELS = 16;

/** The channels that clients of one target have shown to the guard. */
export class KnownChannels implements Iterable<ClientChannel> {
  readonly #channels = new Map<ClientChannel, OtherInterceptors>();
  #last: ClientChannel | undefined;
  #client: Client | undefined;

  /** Remembers the channel of a call. Called for each call. */
  show(channel: ClientChannel, others: OtherInterceptors): void {
    if (channel === this.#last) return;
    this.#last = channel;
    this.#client = undefined;
    if (this.#channels.has(channel)) return; // several clients call in turn
    for (const known of this.#channels.keys()) if (isClosed(known)) this.#channels.delete(known);
    const [oldest] = this.#channels.keys();
    if (oldest !== undefined && this.#channels.size >= MOST_CHANNELS) this.#channels.delete(oldest);
    this.#channels.set(channel, others);
  }

  [Symbol.iterator](): Iterator<ClientChannel> {
    return this.#channels.keys();
  }

  get size(): number {
    return this.#channels.size;
  }

  /** A client on the channel of the last call, with the caller's interceptors and without the guard. */
  get client(): Client | undefined {
    const channel = this.#last;
    if (channel === undefined || isClosed(channel)) return undefined;
    this.#client ??= new Client(channel.getTarget(), NO_CREDENTIALS, {
      channelOverride: channel,
      ...this.#channels.get(channel),
    });
    return this.#client;
  }

  clear(): void {
    this.#channels.clear();
    this.#last = undefined;
    this.#client = undefined;
  }
}

/** Not used: the channel has credentials of its own. */
const NO_CREDENTIALS: ChannelCredentials = Object.create(null);

function isClosed(channel: ClientChannel): boolean {
  return channelState(channel, connectivityState.SHUTDOWN) === connectivityState.SHUTDOWN;
}
