import type { status } from '@grpc/grpc-js';
import type { Call, MessageContext, Stage } from './call.js';

/**
 * The call is being admitted. A listener of an event, a key function, or an interceptor behind the guard may use the call
 * meanwhile. What it does waits until the next stage is there.
 */
class Admitting implements Stage {
  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    interrupt(call).sendMessage(call, context, message);
  }
  startRead(call: Call): void {
    interrupt(call).startRead();
  }
  halfClose(call: Call): void {
    interrupt(call).halfClose();
  }
  cancel(call: Call, code: status, details: string): void {
    interrupt(call).cancel(call, code, details);
  }
}

export const ADMITTING: Stage = new Admitting();

export interface Cancellation {
  readonly code: status;
  readonly details: string;
}

/** The stage of a call from the moment in which it is used while it is admitted. */
export class Interrupted implements Stage {
  private readonly steps: ((call: Call) => void)[] = [];
  /** The first cancellation. */
  cancellation: Cancellation | undefined = undefined;

  sendMessage(_call: Call, context: MessageContext, message: unknown): void {
    this.steps.push((call) => call.stage.sendMessage(call, context, message));
  }
  startRead(): void {
    this.steps.push((call) => call.stage.startRead(call));
  }
  halfClose(): void {
    this.steps.push((call) => call.stage.halfClose(call));
  }
  cancel(_call: Call, code: status, details: string): void {
    this.cancellation ??= { code, details };
  }

  /** Cancels the call in its present stage, if it was cancelled meanwhile. */
  cancelNow(call: Call): void {
    const { cancellation } = this;
    if (cancellation !== undefined) call.stage.cancel(call, cancellation.code, cancellation.details);
  }

  /** Repeats everything else. To be called when the call has done what it was about to do before it was admitted. */
  replay(call: Call): void {
    for (const step of this.steps) step(call);
  }
}

function interrupt(call: Call): Interrupted {
  const stage = new Interrupted();
  call.stage = stage;
  return stage;
}
