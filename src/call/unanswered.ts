import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import type { Call, MessageContext, Stage } from './call.js';

/** A call that a fallback may answer: its circuit, its own status, and its end if no fallback answers. */
export interface Unanswered {
  /** The circuit of the call's key. */
  readonly entry: Entry;
  /** A real call that is still alive, and continues if no fallback answers. */
  readonly paused?: PausedCall;
  /**
   * The status that the caller gets if no fallback answers.
   * @param story describes the attempts of the fallbacks; undefined without attempts
   * @param expired whether the caller's deadline passed during the attempts
   */
  status(call: Call, story: string | undefined, expired: boolean): StatusObject;
  /** Called when no fallback has answered: ends the call, or lets it continue, as without fallbacks. */
  giveUp(call: Call, story: string | undefined, expired: boolean): void;
}

/** A real call that is alive while the fallbacks are asked. */
export interface PausedCall {
  /** Called when the chain is asked. The real call calls `stop`, which ends the chain's run, if it answers first. */
  begin?(stop: () => void): void;
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  halfClose(call: Call): void;
  onReceiveMetadata?(call: Call, metadata: Metadata): void;
  onReceiveMessage(call: Call, message: unknown): void;
  onReceiveStatus(call: Call, status: StatusObject): void;
  /** Called when a fallback has answered. @returns the next stage, if the real call goes on for the sake of its circuit */
  answered(call: Call): Stage | undefined;
  /** Ends the real call, because the caller has gone. */
  end(call: Call, code: StatusObject['code'], details: string): void;
}
