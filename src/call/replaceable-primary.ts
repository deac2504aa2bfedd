import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { MethodSettings } from '../guard/method-settings.js';
import { normalStatus } from '../status/normal-status.js';
import { type Call, type MessageContext, newOkStatus } from './call.js';
import { fallBack, fallBackSlow } from './fallback.js';
import { FailedPrimary, HeldAnswer } from './held-answer.js';
import { PausedPrimary } from './paused-primary.js';
import { PendingWrite } from './pending-write.js';
import type { Primary } from './primary.js';
import { failedCause, recordPrimaryEnd } from './record-end.js';
import { type EndedPrimary, type SlowCall, SlowPrimary } from './slow-primary.js';

/**
 * The real call runs, and a fallback may still replace it. The server's events are held back from the caller until it is clear
 * that they are the answer. A response stream is replaceable until its first message; then its {@link Primary} continues alone.
 *
 * This stage owns the soft deadline (`fallbackAfterMs`), which begins when the caller has sent everything and waits for a message.
 */
export class ReplaceablePrimary implements SlowCall {
  readonly primary: Primary;
  private readonly chain: FallbackChain;
  private readonly held = new HeldAnswer();
  private write: PendingWrite | undefined;
  private cancelSoftDeadline: (() => void) | undefined;

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
    this.awaitAnswer(call);
  }

  halfClose(call: Call): void {
    this.primary.halfClose(call);
    this.awaitAnswer(call);
  }

  cancel(call: Call, code: status, details: string): void {
    this.cancelSoftDeadline?.();
    this.primary.cancel(call, code, details);
  }

  // ---------------------------------------------------------------- the soft deadline

  private awaitAnswer(call: Call): void {
    const { softDeadline } = call.method.settings;
    if (softDeadline !== undefined && call.halfClosed) this.beginSoftDeadline(call, softDeadline);
  }

  private beginSoftDeadline(call: Call, softDeadline: NonNullable<MethodSettings['softDeadline']>): void {
    if (this.cancelSoftDeadline !== undefined) return;
    // the real call may have ended in this turn, the caller may have cancelled, or the answer may be there
    if (call.stage !== this || this.primary.isCancelled || this.held.hasMessage) return;
    if (call.options.method_definition.responseStream && call.reads === 0) return;
    if (!this.chain.serves('slow')) return;
    this.chain.countCall();
    const afterMs = softDeadline.of(this.primary.entry.usualLatency);
    if (afterMs === Number.POSITIVE_INFINITY) return;
    this.cancelSoftDeadline = call.method.clock.setTimer(() => {
      if (call.stage === this) fallBackSlow(call, new SlowPrimary(this, call.reads), afterMs);
    }, afterMs);
  }

  // ---------------------------------------------------------------- by the server

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    this.primary.good?.setMetadata(metadata);
    this.held.holdMetadata(metadata);
    const { holdHeaders, softDeadline } = call.method.settings;
    const mayBeReplaced = this.chain.serves('failed') || softDeadline !== undefined;
    if (!holdHeaders || !mayBeReplaced) this.held.releaseMetadata(call);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message === null) return; // the null message of a failed call: the caller gets it together with the status
    this.cancelSoftDeadline?.();
    const { primary } = this;
    primary.judgeMessage(call, message);
    if (call.options.method_definition.responseStream) this.receiveFirst(call, message);
    else this.receiveOnly(call, message);
  }

  /** Holds the message of a unary response until the status comes, which decides whether the message is the answer. */
  private receiveOnly(call: Call, message: unknown): void {
    const { held, primary } = this;
    primary.good?.setResponse(message);
    if (held.hasMessage) {
      // a second message is the server's mistake, which grpc-js's client turns into an error
      this.goOnAlone(call);
      call.listener.onReceiveMessage?.(message);
      return;
    }
    held.holdMessage(message);
    // like grpc-js's client, to detect a second message
    if (call.options.method_definition.requestStream) this.primary.real.startRead();
    if (!this.isBad(primary.messageOutcome)) held.releaseMetadata(call);
  }

  private receiveFirst(call: Call, message: unknown): void {
    const { primary, held } = this;
    const outcome = primary.messageOutcome;
    held.holdMessage(message);
    if (this.isBad(outcome) && !primary.isCancelled && this.chain.serves('failed')) {
      primary.watch?.received();
      primary.settleNow(outcome, status.OK);
      const paused = new PausedPrimary(primary, held, this.write, call.reads);
      return fallBack(call, paused, failedCause(outcome, newOkStatus()));
    }
    primary.noteStreamed(call);
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
    const ended = this.conclude(call, received);
    if (isUnhealthy(ended.outcome)) this.fail(call, ended);
    else this.release(call, ended);
  }

  conclude(call: Call, received: StatusObject): EndedPrimary {
    this.cancelSoftDeadline?.();
    const normal = normalStatus(received);
    return { received, normal, outcome: this.primary.conclude(call, normal) };
  }

  fail(call: Call, ended: EndedPrimary): void {
    if (!this.chain.serves('failed')) return this.release(call, ended);
    const { received, normal, outcome } = ended;
    this.releaseWrite();
    fallBack(
      call,
      new FailedPrimary(this.primary.entry, this.held, received, normal, outcome),
      failedCause(outcome, normal),
    );
  }

  release(call: Call, { received, normal, outcome }: EndedPrimary): void {
    recordPrimaryEnd(call, this.primary.entry, outcome, normal.code);
    this.held.releaseWith(call, received);
  }

  releaseWrite(): void {
    this.write?.release();
  }
}
