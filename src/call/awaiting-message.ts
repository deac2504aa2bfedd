import { status } from '@grpc/grpc-js';
import { admit } from './admission.js';
import { cancellingParent } from './budget.js';
import type { Call, MessageContext, Stage } from './call.js';
import { endLater, OVER } from './over.js';

/**
 * Waits for a call's first message, from which the circuit's key is read. At most one tick: a call whose server sends first
 * would otherwise wait for ever. Each call has a tick of its own: in another call's tick, the interceptors behind the guard
 * would run in that call's async context, and read its tenant or trace.
 */
export function awaitMessage(call: Call): void {
  const stage = new AwaitingMessage();
  call.stage = stage;
  // a unary message comes in this turn; a piped message needs a turn of the event loop
  if (call.options.method_definition.requestStream) setImmediate(decide, call, stage);
  else process.nextTick(decide, call, stage);
}

/** The message did not come in time. */
function decide(call: Call, stage: Stage): void {
  if (call.stage === stage) admitLate(call);
}

class AwaitingMessage implements Stage {
  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    call.request = message;
    this.decideInTurn(call);
    call.stage.sendMessage(call, context, message);
  }

  startRead(call: Call): void {
    call.reads++;
  }

  halfClose(call: Call): void {
    this.decideInTurn(call);
    call.stage.halfClose(call);
  }

  cancel(call: Call, code: status, details: string): void {
    endLater(call, code, details);
  }

  private decideInTurn(call: Call): void {
    if (call.options.method_definition.requestStream) return admitLate(call);
    try {
      admit(call);
    } catch (error) {
      call.stage = OVER; // the caller's own method throws it: a status as well would be a second end
      throw error;
    }
  }
}

/**
 * Admits a call after the client's method may have returned. An error becomes a status then, because no caller could catch
 * it.
 */
function admitLate(call: Call): void {
  try {
    // the parent emits its event only once, and may have done so already
    if (cancellingParent(call.options)?.cancelled === true)
      return endLater(call, status.CANCELLED, 'Cancelled by parent call');
    admit(call);
  } catch (error) {
    endLater(call, status.UNAVAILABLE, error instanceof Error ? error.message : String(error));
  }
}
