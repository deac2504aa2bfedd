import type { StatusObject } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import type { Call, MessageContext } from './call.js';

/** A call that a fallback may answer: its circuit, its own status, and its end when no fallback answers. */
export interface Unanswered {
  /** The circuit of the call's key. */
  readonly entry: Entry;
  /** A real call that is still alive, and continues if no fallback answers. */
  readonly paused?: PausedCall;
  /**
   * The call's own status, for the case that no fallback answers.
   * @param story describes the attempts of the fallbacks; undefined without attempts
   * @param expired whether the caller's deadline passed during the attempts
   */
  status(call: Call, story: string | undefined, expired: boolean): StatusObject;
  /** Ends or continues the call as without fallbacks. */
  giveUp(call: Call, story: string | undefined, expired: boolean): void;
}

/** A real call that waits while the fallbacks are asked. */
export interface PausedCall {
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  halfClose(call: Call): void;
  onReceiveMessage(message: unknown): void;
  onReceiveStatus(status: StatusObject): void;
  /** Ends the real call: a fallback has answered, or the caller has gone. */
  end(code: StatusObject['code'], details: string): void;
}
