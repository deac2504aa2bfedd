import { type Channel, connectivityState } from '@grpc/grpc-js';
import { channelState } from '../channel-state.js';
import type { Clock } from '../clock.js';

/** After so long without a call, a load balancer may have dropped the connection without the client's knowledge. */
const IDLE_MS = 60_000;

/**
 * What is known of the connection below an interceptor, from its calls. A call that began before the server's first answer on
 * its connection has waited for the connection too, and for whatever a server does for a new client. grpc-js shows no channel
 * to a call. If the client has shown its channel, the channel's state reveals a connection that ended with no call on it.
 */
export class Connection {
  /** The channel of the call that begins next, if its client has shown it. */
  channel: Pick<Channel, 'getConnectivityState'> | undefined;
  /** When the first answer came on the present connection; Infinity before. */
  private firstAnswerMs = Number.POSITIVE_INFINITY;
  private beganMs = Number.NEGATIVE_INFINITY;
  /** When the last answer came; before the first, when the first call began. */
  lastAnswerMs = Number.NEGATIVE_INFINITY;

  /** A call begins. */
  begins(nowMs: number): void {
    const { channel } = this;
    if (channel === undefined ? nowMs - this.beganMs > IDLE_MS : !isReady(channel)) this.lost();
    // the next call may be of another client, which shows no channel
    this.channel = undefined;
    if (this.beganMs === Number.NEGATIVE_INFINITY) this.lastAnswerMs = nowMs;
    this.beganMs = nowMs;
  }

  /** The server answered. */
  answered(nowMs: number): void {
    if (this.firstAnswerMs === Number.POSITIVE_INFINITY) this.firstAnswerMs = nowMs;
    this.lastAnswerMs = nowMs;
  }

  /** A message of a stream came: the stream's end may be far. */
  firstAnswer(clock: Clock): void {
    if (this.firstAnswerMs === Number.POSITIVE_INFINITY) this.answered(clock.now());
  }

  /** The connection is lost, or there was none. */
  lost(): void {
    this.firstAnswerMs = Number.POSITIVE_INFINITY;
  }

  /** Whether a call that began then may have waited for the connection. */
  wasConnectingAt(startedAtMs: number): boolean {
    return startedAtMs < this.firstAnswerMs;
  }
}

function isReady(channel: Pick<Channel, 'getConnectivityState'>): boolean {
  // a call on a closed channel fails by itself
  return channelState(channel, connectivityState.READY) === connectivityState.READY;
}
