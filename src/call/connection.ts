import { type Channel, connectivityState } from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';
import type { Clock } from '../clock.js';

/** After this long without a call, a load balancer may have dropped the connection without the client's knowledge. */
const IDLE_MS = 60_000;

/**
 * The state of the connection below an interceptor, as its calls show it. A call that began before the server's first answer on
 * its connection also waited for the connection, and for all that a server does for a new client. grpc-js gives a call no access
 * to its channel. If the client has shown its channel, the channel's state also reveals a connection that was lost while no
 * call was on it.
 */
export class Connection {
  /** The channel of the call that begins next, if its client has shown it. */
  channel: Pick<Channel, 'getConnectivityState'> | undefined;
  /** When the first answer came on the present connection; Infinity before. */
  private firstAnswerMs = Number.POSITIVE_INFINITY;
  private beganMs = Number.NEGATIVE_INFINITY;
  /** When the last answer came. Before the first answer: when the first call began. */
  lastAnswerMs = Number.NEGATIVE_INFINITY;

  /** Called when a call begins. */
  begins(nowMs: number): void {
    const { channel } = this;
    if (channel === undefined ? nowMs - this.beganMs > IDLE_MS : !isReady(channel)) this.lost();
    // the next call may come from another client, which has shown no channel
    this.channel = undefined;
    if (this.beganMs === Number.NEGATIVE_INFINITY) this.lastAnswerMs = nowMs;
    this.beganMs = nowMs;
  }

  /** Called when the server has answered. */
  answered(nowMs: number): void {
    if (this.firstAnswerMs === Number.POSITIVE_INFINITY) this.firstAnswerMs = nowMs;
    this.lastAnswerMs = nowMs;
  }

  /** Called when a message of a stream came, because the stream may end much later. Counts only as the first answer. */
  firstAnswer(clock: Clock): void {
    if (this.firstAnswerMs === Number.POSITIVE_INFINITY) this.answered(clock.now());
  }

  /** Called when the connection was lost, or there was no connection. */
  lost(): void {
    this.firstAnswerMs = Number.POSITIVE_INFINITY;
  }

  /** Whether a call that began at this time may have waited for the connection. */
  wasConnectingAt(startedAtMs: number): boolean {
    return startedAtMs < this.firstAnswerMs;
  }
}

function isReady(channel: Pick<Channel, 'getConnectivityState'>): boolean {
  // a call on a closed channel fails by itself
  return channelState(channel, connectivityState.READY) === connectivityState.READY;
}
