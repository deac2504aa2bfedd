import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { expiredStatus } from '../status/expired-status.js';
import { normalStatus } from '../status/normal-status.js';
import { type Call, callWriterBack, type MessageContext, OK_STATUS, type Stage } from './call.js';
import { OVER } from './over.js';
import type { Primary } from './primary.js';

/** grpc-js ends a call at its deadline. If the status has not come after this time more, the call is abandoned. */
const GRACE_MS = 1_000;

/**
 * A real call whose caller already has a fallback's answer. The real call's answer still counts: for the circuit, for the usual
 * latency, and for strategies that keep answers. The call ends at its deadline or, without a deadline, after `abandonedAfterMs`,
 * and then counts as a time-out. A response stream ends with its first message.
 */
export class LatePrimary implements Stage {
  private readonly primary: Primary;
  private readonly cancelTimer: () => void;
  private ended = false;

  constructor(call: Call, primary: Primary) {
    this.primary = primary;
    const { deadlineMs, method } = call;
    const limitMs =
      deadlineMs === Number.POSITIVE_INFINITY
        ? method.settings.abandonedAfterMs
        : Math.max(0, deadlineMs - Date.now()) + GRACE_MS;
    const details = `failsoft: no answer within ${limitMs} ms after a fallback's answer`;
    this.cancelTimer = method.clock.setTimer(() => this.abandon(call, details), limitMs, true);
  }

  /** Settles the permits without a status, because an interceptor behind the guard may withhold it for ever. */
  private abandon(call: Call, details: string): void {
    const expired = expiredStatus(details);
    this.primary.real.cancelWithStatus(expired.code, details);
    this.onReceiveStatus(call, expired);
  }

  // The caller has its answer, so nothing that it does now reaches the real call, not even a cancellation.

  sendMessage(_call: Call, context: MessageContext): void {
    callWriterBack(context);
  }
  startRead(): void {}
  halfClose(): void {}
  cancel(): void {}

  onReceiveMetadata(_call: Call, metadata: Metadata): void {
    this.primary.good?.setMetadata(metadata);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message === null || this.ended) return;
    const { primary } = this;
    const { requestStream, responseStream } = call.options.method_definition;
    primary.judgeMessage(call, message);
    if (responseStream) {
      primary.noteStreamed(call);
      this.end(call, OK_STATUS);
      primary.real.cancelWithStatus(status.CANCELLED, 'failsoft: answered by a fallback');
      return;
    }
    primary.good?.setResponse(message);
    if (requestStream) primary.real.startRead(); // like grpc-js's client, to detect a second message
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    if (!this.ended) this.end(call, normalStatus(received));
  }

  private end(call: Call, received: StatusObject): void {
    this.ended = true;
    this.cancelTimer();
    if (call.stage === this) call.stage = OVER;
    this.primary.conclude(call, received);
  }
}
