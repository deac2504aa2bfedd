import { status } from '@grpc/grpc-js';
import { admit } from './admission.js';
import type { Interrupted } from './admitting.js';
import { cancellingParent } from './budget.js';
import { type Call, type MessageContext, remember, type Stage } from './call.js';
import { endLater } from './over.js';

// The stages before the admission: the call is not started yet, or waits for the message from which its key is read.

/** The call is made, but not started yet. */
class NotStarted implements Stage {
  start(call: Call): void {
    const waits = call.callOptions.key === undefined && call.method.settings.keyPart.needsRequest;
    // A copy, because the caller may reuse the metadata for its next call at once.
    if (waits || call.chain?.readsCall === true) call.metadata = call.metadata.clone();
    if (waits) awaitMessage(call);
    else admit(call)?.replay(call);
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(call: Call): void {
    call.reads++;
  }
  halfClose(call: Call): void {
    call.halfClosed = true;
  }
  cancel(call: Call, code: status, details: string): void {
    call.stage = new CancelledEarly(code, details);
  }
}

export const NOT_STARTED: Stage = new NotStarted();

/** The call was cancelled before its start. The status waits for the listener, which comes with the start. */
class CancelledEarly implements Stage {
  private readonly code: status;
  private readonly details: string;

  constructor(code: status, details: string) {
    this.code = code;
    this.details = details;
  }

  start(call: Call): void {
    endLater(call, this.code, this.details);
  }
  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    remember(call, context, message);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(): void {}
}

/**
 * Waits for a call's first message, from which the circuit's key is read, but at most one tick: a call whose server sends first
 * would otherwise wait for ever. Each call has its own tick: in the tick of another call, the interceptors behind the guard would
 * run in that call's async context, and see its tenant or trace.
 */
function awaitMessage(call: Call): void {
  const stage = new AwaitingMessage();
  call.stage = stage;
  // a unary message comes in this turn; a piped message needs a turn of the event loop
  if (call.options.method_definition.requestStream) setImmediate(decide, call, stage);
  else process.nextTick(decide, call, stage);
}

/** Admits the call without a message, if the message did not come in time. */
function decide(call: Call, stage: Stage): void {
  if (call.stage === stage) admitLate(call)?.replay(call);
}

class AwaitingMessage implements Stage {
  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    call.request = message;
    const interrupted = decideInTurn(call);
    call.stage.sendMessage(call, context, message);
    interrupted?.replay(call);
  }

  startRead(call: Call): void {
    call.reads++;
  }

  halfClose(call: Call): void {
    const interrupted = decideInTurn(call);
    call.stage.halfClose(call);
    interrupted?.replay(call);
  }

  cancel(call: Call, code: status, details: string): void {
    endLater(call, code, details);
  }
}

/** @throws the next interceptor's error, which the method that the caller called throws; a status would be a second end */
function decideInTurn(call: Call): Interrupted | undefined {
  return call.options.method_definition.requestStream ? admitLate(call) : admit(call);
}

/**
 * Admits a call when the client's method may already have returned. An error becomes a status, because the caller could not
 * catch it any more.
 */
function admitLate(call: Call): Interrupted | undefined {
  try {
    // the parent emits its event only once, and may have done so already
    if (cancellingParent(call.options)?.cancelled !== true) return admit(call);
    endLater(call, status.CANCELLED, 'Cancelled by parent call');
  } catch (error) {
    endLater(call, status.UNAVAILABLE, error instanceof Error ? error.message : String(error));
  }
  return undefined;
}
