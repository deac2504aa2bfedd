import type { Metadata, StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { type Call, type MessageContext, OK_STATUS, type Stage } from './call.js';
import { LatePrimary } from './late-primary.js';
import type { Primary } from './primary.js';
import type { PausedCall, Unanswered } from './unanswered.js';

/** The end of a real call whose permits are settled. */
export interface EndedPrimary {
  readonly received: StatusObject;
  readonly normal: StatusObject;
  readonly outcome: Outcome;
}

/** The stage of a real call that may become slow, as {@link SlowPrimary} uses it. */
export interface SlowCall extends Stage {
  readonly primary: Primary;
  onReceiveMetadata(call: Call, metadata: Metadata): void;
  onReceiveMessage(call: Call, message: unknown): void;
  /** Settles the permits of the real call, which is over. */
  conclude(call: Call, received: StatusObject): EndedPrimary;
  /** Asks the chain, because the real call failed. */
  fail(call: Call, ended: EndedPrimary): void;
  /** Gives the caller the real call's own answer, or its error. */
  release(call: Call, ended: EndedPrimary): void;
  /** Calls the writer of a message back that the real call may never take. */
  releaseWrite(): void;
}

/**
 * A real call that has no answer within its soft deadline, and goes on while the chain is asked. Its first message, or a status
 * that no fallback may replace, ends the chain's run. If the real call fails, the run goes on; if the run gives no answer, the
 * failure is handled as without a soft deadline.
 */
export class SlowPrimary implements Unanswered, PausedCall {
  readonly paused = this;
  private readonly owner: SlowCall;
  /** How many messages the real call has been asked for. */
  private readonly reads: number;
  private failed: EndedPrimary | undefined;
  private stopChain: () => void = () => {};

  constructor(owner: SlowCall, reads: number) {
    this.owner = owner;
    this.reads = reads;
  }

  get entry(): Entry {
    return this.owner.primary.entry;
  }

  status(): StatusObject {
    return this.failed?.normal ?? OK_STATUS;
  }

  begin(stop: () => void): void {
    this.stopChain = stop;
  }

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    this.owner.sendMessage(call, context, message);
  }

  halfClose(call: Call): void {
    this.owner.halfClose(call);
  }

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    this.owner.onReceiveMetadata(call, metadata);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message === null) return;
    this.stopChain();
    this.goOn(call);
    this.owner.onReceiveMessage(call, message);
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    const ended = this.owner.conclude(call, received);
    if (isUnhealthy(ended.outcome)) {
      this.failed = ended;
      return;
    }
    this.stopChain();
    this.owner.release(call, ended);
  }

  giveUp(call: Call): void {
    if (this.failed === undefined) this.goOn(call);
    else this.owner.fail(call, this.failed);
  }

  private goOn(call: Call): void {
    call.stage = this.owner;
    for (let read = this.reads; read < call.reads; read++) this.owner.primary.startRead();
  }

  answered(call: Call): Stage | undefined {
    this.owner.releaseWrite();
    return this.failed === undefined ? new LatePrimary(call, this.owner.primary) : undefined;
  }

  end(call: Call, code: status, details: string): void {
    const { owner } = this;
    owner.releaseWrite();
    if (this.failed !== undefined) return;
    owner.primary.watch?.stop();
    owner.primary.cancel(call, code, details);
  }
}
