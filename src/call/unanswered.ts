import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import type { Call, MessageContext, Stage } from './call.js';

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

/** A real call that is alive while the fallbacks are asked. */
export interface PausedCall {
  /** The chain is asked now. `stop` ends it, because the real call is the answer. */
  begin?(stop: () => void): void;
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  halfClose(call: Call): void;
  onReceiveMetadata?(call: Call, metadata: Metadata): void;
  onReceiveMessage(call: Call, message: unknown): void;
  onReceiveStatus(call: Call, status: StatusObject): void;
  /** A fallback has answered. @returns the stage of a real call that goes on for its circuit alone */
  answered(call: Call): Stage | undefined;
  /** Ends the real call, because the caller has gone. */
  end(call: Call, code: StatusObject['code'], details: string): void;
}
