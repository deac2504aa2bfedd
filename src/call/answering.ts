import type { EventEmitter } from 'node:events';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { describeAttempts } from '../fallback/chain/attempts.js';
import type { ChainResult } from '../fallback/chain/chain.js';
import type { Answer, Cause } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import { ageOf, causeText, label } from '../status/provenance.js';
import { rejectionStatus, withFallbackStory } from '../status/rejection.js';
import type { AnsweredCall } from './answered-call.js';
import { cancellingParent } from './budget.js';
import { FallbackRun } from './fallback-run.js';
import type { RejectedBy } from './permits.js';
import { StreamedAnswer, type StreamedAnswerListener } from './streamed-answer.js';

/**
 * The end of a call that the server does not answer, or not well: a fallback's answer, or the status that says why there is
 * none. While it lasts, it owes the caller all that grpc-js does for a real call: the deadline, the cancellation, flow
 * control, and never an answer in the turn in which the call was made.
 */
export class Answering implements StreamedAnswerListener {
  readonly #call: AnsweredCall;
  readonly #entry: Entry;
  readonly #cause: Cause;
  /** Undefined for a call that failed. */
  readonly #rejectedBy: RejectedBy | undefined;
  #over = false;
  #collecting = false;
  #run: FallbackRun | undefined;
  #stream: StreamedAnswer | undefined;
  #cancelTimer: (() => void) | undefined;
  #leaveParent: (() => void) | undefined;

  private constructor(call: AnsweredCall, entry: Entry, cause: Cause, rejectedBy: RejectedBy | undefined) {
    this.#call = call;
    this.#entry = entry;
    this.#cause = cause;
    this.#rejectedBy = rejectedBy;
  }

  /** For a call that was not admitted, where a fallback serves such calls. */
  static rejected(call: AnsweredCall, entry: Entry, by: RejectedBy): Answering {
    const { reason, retryAfterMs } = by.rejection;
    return new Answering(call, entry, { kind: 'rejected', reason, retryAfterMs }, by);
  }

  /** For a call that failed. */
  static failed(call: AnsweredCall, entry: Entry, cause: Cause & { kind: 'failed' }): Answering {
    return new Answering(call, entry, cause, undefined);
  }

  /**
   * Called once, when the call knows who answers it: what the caller does on hearing the answer comes back here.
   * @param collect whether the fallback has to wait until the caller has sent everything
   */
  start(collect: boolean): void {
    if (collect) this.#collect();
    else if (this.#rejectedBy !== undefined) setImmediate(begin, this);
    else this.begin();
  }

  startRead(): void {
    this.#stream?.read();
  }

  halfClose(): void {
    if (!this.#collecting || this.#over) return;
    this.#collecting = false;
    setImmediate(begin, this);
  }

  cancel(code: status, details: string): void {
    if (this.#over) return;
    this.#end();
    this.#run?.cancel('cancelled');
    setImmediate(() => this.#tell({ code, details, metadata: new Metadata() }));
  }

  begin(): void {
    if (this.#over || this.#run !== undefined) return;
    const { chain } = this.#call;
    if (chain === undefined || !this.#serves()) return this.#giveUp(undefined);
    const run = new FallbackRun(this.#call, this.#entry, this.#cause);
    this.#run = run;
    const outcome = run.ask(chain);
    if (!(outcome instanceof Promise)) return this.#conclude(outcome);
    run.wait(outcome, (later) => this.#conclude(later));
    this.#followParent();
  }

  #serves(): boolean {
    return this.#call.chain?.serves(this.#cause.kind) === true;
  }

  /**
   * Half a client stream is no request: the chain waits for the rest, and nobody else watches the deadline. A caller that
   * does not end its stream must still learn what happened, so the wait is bounded even without one.
   */
  #collect(): void {
    this.#collecting = true;
    const { deadlineMs, guard } = this.#call;
    const leftMs = Math.max(0, deadlineMs - Date.now());
    const { abandonedAfterMs } = guard.settings;
    this.#cancelTimer =
      leftMs <= abandonedAfterMs
        ? guard.clock.setTimer(() => this.halfClose(), leftMs)
        : guard.clock.setTimer(() => this.#abandon(), abandonedAfterMs);
    this.#followParent();
  }

  #abandon(): void {
    if (!this.#collecting || this.#over) return;
    this.#collecting = false;
    this.#giveUp("the caller's stream did not end");
  }

  #followParent(): void {
    const parent = cancellingParent(this.#call.options);
    if (parent === undefined || this.#leaveParent !== undefined) return;
    const cancel = () => this.cancel(status.CANCELLED, 'Cancelled by parent call');
    if (parent.cancelled) return cancel(); // it says so only once
    const emitter: EventEmitter = parent;
    emitter.on('cancelled', cancel);
    this.#leaveParent = () => emitter.removeListener('cancelled', cancel);
  }

  #conclude({ answer, attempts }: ChainResult): void {
    if (this.#over) return;
    if (answer === undefined) {
      this.#giveUp(attempts.length === 0 ? undefined : describeAttempts(attempts));
    } else {
      this.#give(answer);
    }
  }

  #giveUp(story: string | undefined): void {
    const final = this.#ownStatus(story);
    if (this.#rejectedBy !== undefined) return this.#finish(final);
    this.#end();
    this.#call.passOn(final);
  }

  #give(answer: Answer<unknown>): void {
    this.#call.onAnswer();
    const { guard, listener } = this.#call;
    if (guard.events.hears('degraded')) {
      guard.events.emit('degraded', {
        method: guard.path,
        circuit: this.#entry.key,
        source: answer.source,
        cause: causeText(this.#cause),
        ageMs: ageOf(answer),
        atMs: guard.clock.now(),
      });
    }
    try {
      listener.onReceiveMetadata?.(label(answer, this.#cause));
    } finally {
      if (!this.#over) this.#giveMessage(answer.message); // or whoever read the label has cancelled
    }
  }

  #giveMessage(message: unknown): void {
    const { listener, options } = this.#call;
    if (options.method_definition.responseStream) return this.#giveStream(message);
    listener.onReceiveMessage?.(message);
    this.#finish({ code: status.OK, details: '', metadata: new Metadata() });
  }

  #giveStream(message: unknown): void {
    this.#stream = new StreamedAnswer(this.#call, message, this);
    this.#followParent();
    if (!this.#over) this.#stream.start();
  }

  // ---------------------------------------------------------------- what a streamed answer tells

  /** It was read to its end. */
  onStreamEnd(): void {
    this.#finish({ code: status.OK, details: '', metadata: new Metadata() });
  }

  /** @param given whether the caller has got a part of it */
  onStreamError(details: string, given: boolean): void {
    const own = given ? undefined : this.#ownStatus(details);
    if (own !== undefined && own.code !== status.OK) this.#finish(own);
    else this.#finish({ code: status.UNKNOWN, details, metadata: new Metadata() });
  }

  onStreamDeadline(details: string): void {
    this.#run?.cancel('deadline');
    this.#finish({ code: status.DEADLINE_EXCEEDED, details, metadata: new Metadata() });
  }

  onStreamLeft(details: string): void {
    this.cancel(status.CANCELLED, details);
  }

  // ---------------------------------------------------------------- the end

  /** What the caller gets when no fallback answers. */
  #ownStatus(story: string | undefined): StatusObject {
    const by = this.#rejectedBy;
    if (by === undefined) return this.#failedStatus(story);
    const rejected = rejectionStatus(by.entry.key, by.rejection, story);
    if (this.#run?.hasExpired !== true) return rejected;
    return {
      code: status.DEADLINE_EXCEEDED,
      details: `Deadline exceeded while a fallback ran; ${rejected.details}`,
      metadata: rejected.metadata,
    };
  }

  #failedStatus(story: string | undefined): StatusObject {
    if (this.#cause.kind !== 'failed')
      throw new Error('failsoft: a call ended that neither failed nor was rejected');
    const { status: failed } = this.#cause;
    return story === undefined || failed.code === status.OK ? failed : withFallbackStory(failed, story);
  }

  #finish(final: StatusObject): void {
    if (this.#over) return;
    this.#end();
    this.#tell(final);
  }

  #tell(final: StatusObject): void {
    const { listener, options } = this.#call;
    if (final.code !== status.OK && !options.method_definition.responseStream) {
      listener.onReceiveMessage?.(null); // as grpc-js itself does for a unary response
    }
    listener.onReceiveStatus?.(final);
  }

  #end(): void {
    this.#over = true;
    this.#cancelTimer?.();
    this.#stream?.stop();
    this.#leaveParent?.();
  }
}

function begin(answering: Answering): void {
  answering.begin();
}
