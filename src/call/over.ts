import { Metadata, type status } from '@grpc/grpc-js';
import { type Call, callWriterBack, giveError, type MessageContext, type Stage } from './call.js';

/** The call is over: the caller has the status, or gets it in the next turn. */
class Over implements Stage {
  sendMessage(_call: Call, context: MessageContext): void {
    callWriterBack(context);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(): void {}
}

export const OVER: Stage = new Over();

/** Ends a call that has no real call, in the next turn: the caller may still be inside the client's method. */
export function endLater(call: Call, code: status, details: string): void {
  call.stage = OVER;
  setImmediate(giveError, call, { code, details, metadata: new Metadata() });
}
