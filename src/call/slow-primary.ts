import type { Metadata, StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { type Call, type MessageContext, OK_STATUS, type Stage } from './call.js';
import { LatePrimary } from './late-primary.js';
import type { Primary } from './primary.js';
import type { PausedCall, Unanswered } from './unanswered.js';

/** A real call that is over, and settled. */
export interface EndedPrimary {
  readonly received: StatusObject;
  readonly normal: StatusObject;
  readonly outcome: Outcome;
}

/** The stage of a real call that may be slow: what {@link SlowPrimary} needs of it. */
export interface SlowCall extends Stage {
  readonly primary: Primary;
  onReceiveMetadata(call: Call, metadata: Metadata): void;
  onReceiveMessage(call: Call, message: unknown): void;
  /** Settles the real call, which is over. */
  conclude(call: Call, received: StatusObject): EndedPrimary;
  /** The real call failed: the chain is asked. */
  fail(call: Call, ended: EndedPrimary): void;
  /** The caller gets the real call's own answer, or its error. */
  release(call: Call, ended: EndedPrimary): void;
  /** Calls the writer back whose message the real call may never take. */
  releaseWrite(): void;
}

/**
 * A real call that is not answered within its soft deadline, and goes on while the chain is asked. Its first message, or a
 * status that no fallback replaces, ends the chain. If it fails, the chain goes on; and if that gives no answer either, the
 * failed call is answered as without a soft deadline.
 */
export class SlowPrimary implements Unanswered, PausedCall {
  readonly paused = this;
  private readonly owner: SlowCall;
  /** Number of reads that the real call got. */
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

  /** No fallback answered. */
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
