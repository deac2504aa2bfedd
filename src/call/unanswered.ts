import type { StatusObject } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import type { Call, MessageContext } from './call.js';

/** What there is of a call beside its fallbacks, and what becomes of it when they answer, or cannot. */
export interface Unanswered {
  /** The circuit that rejected or judged it. */
  readonly entry: Entry;
  /** A real call that is still alive: it goes on if no fallback answers. */
  readonly paused?: PausedCall;
  /**
   * The status that stands for the call where no fallback answers.
   * @param story what the fallbacks came to; undefined if none was asked
   * @param expired whether the caller's time was over while they were asked
   */
  status(call: Call, story: string | undefined, expired: boolean): StatusObject;
  /** Ends the call, or lets it go on, as it would without fallbacks. */
  giveUp(call: Call, story: string | undefined, expired: boolean): void;
}

/** A real call that waits for what the fallbacks come to. */
export interface PausedCall {
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  halfClose(call: Call): void;
  onReceiveMessage(message: unknown): void;
  onReceiveStatus(status: StatusObject): void;
  /** A fallback answers, or the caller is gone: whatever the server still gives is not wanted. */
  end(code: StatusObject['code'], details: string): void;
}
