import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import { normalStatus } from '../status/normal-status.js';
import { answeredByPrimary } from './answered.js';
import type { Call, MessageContext, Stage } from './call.js';
import { FailedPrimary } from './failed-primary.js';
import { fallBack } from './fallback.js';
import { HeldAnswer } from './held-answer.js';
import { PausedPrimary } from './paused-primary.js';
import { PendingWrite } from './pending-write.js';
import type { Primary } from './primary.js';

/**
 * The real call runs, and a fallback may still replace it. Its events are held back from the caller until they are known to be
 * the answer. A response stream is replaceable until its first message; after that its {@link Primary} continues alone.
 */
export class ReplaceablePrimary implements Stage {
  private readonly primary: Primary;
  private readonly chain: FallbackChain;
  private readonly held = new HeldAnswer();
  private write: PendingWrite | undefined;

  constructor(primary: Primary, chain: FallbackChain) {
    this.primary = primary;
    this.chain = chain;
  }

  // ---------------------------------------------------------------- by the caller

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    if (context.callback === undefined) return this.primary.sendMessage(call, context, message);
    this.write = new PendingWrite(context);
    this.primary.sendMessage(call, this.write.context, message);
  }

  startRead(call: Call): void {
    call.reads++;
    this.primary.startRead();
  }

  halfClose(call: Call): void {
    this.primary.halfClose(call);
  }

  cancel(call: Call, code: status, details: string): void {
    this.primary.cancel(call, code, details);
  }

  // ---------------------------------------------------------------- by the server

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    this.primary.good?.hasMetadata(metadata);
    this.held.holdMetadata(metadata);
    if (!call.method.settings.holdHeaders || !this.chain.serves('failed')) this.held.releaseMetadata(call);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message === null) return; // a failed call's null message; it is passed on with the status
    const { primary } = this;
    primary.judgeMessage(call, message);
    if (call.options.method_definition.responseStream) this.receiveFirst(call, message);
    else this.receiveOnly(call, message);
  }

  /** Holds the message of a unary response until the status, which decides whether it is the answer. */
  private receiveOnly(call: Call, message: unknown): void {
    const { held, primary } = this;
    primary.good?.hasResponse(message);
    if (held.hasMessage) {
      // a second response message: grpc-js's client reports the error
      this.goOnAlone(call);
      call.listener.onReceiveMessage?.(message);
      return;
    }
    held.holdMessage(message);
    // grpc-js's client reads once more too, to find a second message
    if (call.options.method_definition.requestStream) this.primary.real.startRead();
    if (!this.isBad(primary.messageOutcome)) held.releaseMetadata(call);
  }

  private receiveFirst(call: Call, message: unknown): void {
    const { primary, held } = this;
    const outcome = primary.messageOutcome;
    held.holdMessage(message);
    if (this.isBad(outcome) && !primary.isCancelled && this.chain.serves('failed')) {
      primary.watch?.received();
      primary.settle(outcome, status.OK, 0, 0);
      const paused = new PausedPrimary(primary, held, this.write, call.reads);
      return fallBack(
        call,
        paused,
        failure(outcome, { code: status.OK, details: '', metadata: new Metadata() }),
      );
    }
    primary.noteStreamed();
    this.goOnAlone(call);
  }

  /** Releases everything that was held back: no fallback can replace the call any more. */
  private goOnAlone(call: Call): void {
    call.sent = undefined;
    call.stage = this.primary;
    this.held.release(call);
  }

  private isBad(outcome: Outcome | undefined): outcome is Outcome {
    return outcome !== undefined && isUnhealthy(outcome);
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    const normal = normalStatus(received);
    const outcome = this.primary.conclude(call, normal);
    if (!isUnhealthy(outcome) || !this.chain.serves('failed')) {
      answeredByPrimary(call, this.primary.entry, outcome, normal.code);
      return this.held.releaseWith(call, received);
    }
    this.write?.release();
    fallBack(
      call,
      new FailedPrimary(this.primary.entry, this.held, received, normal, outcome),
      failure(outcome, normal),
    );
  }
}

function failure(outcome: Outcome, received: StatusObject) {
  return { kind: 'failed', outcome, status: received } as const;
}
