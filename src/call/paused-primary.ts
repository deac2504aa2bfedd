import { type StatusObject, status } from '@grpc/grpc-js';
import type { Entry } from '../guard/circuit-registry.js';
import { type Call, type MessageContext, OK_STATUS, type Stage } from './call.js';
import type { HeldAnswer } from './held-answer.js';
import type { PendingWrite } from './pending-write.js';
import type { Primary } from './primary.js';
import type { PausedCall, Unanswered } from './unanswered.js';

/**
 * A response stream whose first message carries an error. The stream stays alive while the fallbacks are asked. If no fallback
 * answers, it continues, beginning with that message.
 */
export class PausedPrimary implements Unanswered, PausedCall {
  readonly entry: Entry;
  readonly paused = this;
  private readonly primary: Primary;
  private readonly held: HeldAnswer;
  private readonly write: PendingWrite | undefined;
  /** How many messages the real call has been asked for. */
  private readonly reads: number;
  private readonly messages: unknown[] = [];
  private ended: StatusObject | undefined;

  constructor(primary: Primary, held: HeldAnswer, write: PendingWrite | undefined, reads: number) {
    this.entry = primary.entry;
    this.primary = primary;
    this.held = held;
    this.write = write;
    this.reads = reads;
  }

  status(): StatusObject {
    return OK_STATUS;
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    this.primary.sendMessage(call, context, message);
  }

  halfClose(call: Call): void {
    this.primary.halfClose(call);
  }

  onReceiveMessage(_call: Call, message: unknown): void {
    this.messages.push(message);
  }

  onReceiveStatus(_call: Call, received: StatusObject): void {
    this.primary.watch?.stop();
    this.ended = received;
  }

  giveUp(call: Call): void {
    call.sent = undefined;
    call.stage = this.primary;
    for (let read = this.reads; read < call.reads; read++) this.primary.startRead();
    try {
      this.held.release(call);
    } finally {
      for (const message of this.messages) call.stage.onReceiveMessage?.(call, message);
      if (this.ended !== undefined) call.stage.onReceiveStatus?.(call, this.ended); // also if the listener has thrown
    }
  }

  answered(call: Call): Stage | undefined {
    this.end(call, status.CANCELLED, 'failsoft: answered by a fallback');
    return undefined;
  }

  end(_call: Call, code: status, details: string): void {
    this.primary.watch?.stop();
    this.write?.release();
    this.primary.real.cancelWithStatus(code, details);
  }
}
