import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { describeAttempts } from '../fallback/chain/attempts.js';
import type { ChainResult, FallbackChain } from '../fallback/chain/chain.js';
import type { Answer, Cause } from '../fallback/strategy.js';
import type { Entry } from '../guard/circuit-registry.js';
import { expiredStatus } from '../status/expired-status.js';
import { label, rememberProvenance } from '../status/provenance.js';
import { AwaitingRequest } from './awaiting-request.js';
import { type Call, giveError, type MessageContext, newOkStatus, remember, type Stage } from './call.js';
import { emitDegraded } from './degraded.js';
import { FallbackRun } from './fallback-run.js';
import { followParent } from './follow-parent.js';
import { endLater, OVER } from './over.js';
import type { RejectedBy } from './permits.js';
import { causeOf, recordCancelled, recordFallbackAnswer, recordNoAnswer } from './record-end.js';
import { RejectedCall } from './rejected-call.js';
import { StreamedAnswer, type StreamedAnswerListener } from './streamed-answer.js';
import type { PausedCall, Unanswered } from './unanswered.js';

/** Asks the chain to answer a failed call; at once, if the caller has sent the whole request. */
export function fallBack(call: Call, unanswered: Unanswered, cause: Cause): void {
  if (!isHalfSent(call)) return ask(call, unanswered, cause);
  const waiting = new AwaitingRequest(unanswered, cause, askWaited);
  call.stage = waiting;
  waiting.watch(call);
}

/** Asks the chain to answer a slow call; the real call goes on. */
export function fallBackSlow(call: Call, slow: Unanswered, afterMs: number): void {
  ask(call, slow, { kind: 'slow', afterMs });
}

/** Asks the chain to answer a rejected call, but in the next turn: in this one the caller may have no listener yet. */
export function fallBackRejected(call: Call, entry: Entry, by: RejectedBy): void {
  const waiting = new AwaitingRequest(new RejectedCall(entry, by), causeOf(by.rejection), askWaited);
  call.stage = waiting;
  setImmediate(lookAgain, call, waiting);
}

function lookAgain(call: Call, waiting: AwaitingRequest): void {
  if (call.stage !== waiting) return;
  if (isHalfSent(call)) waiting.watch(call);
  else waiting.proceed(call);
}

/** Whether the chain must wait for the rest of the request. A bidirectional stream can be answered before its caller is done. */
function isHalfSent({ options, halfClosed }: Call): boolean {
  const { requestStream, responseStream } = options.method_definition;
  return !halfClosed && !(requestStream && responseStream);
}

function askWaited(call: Call, { unanswered, cause }: AwaitingRequest): void {
  ask(call, unanswered, cause);
}

function ask(call: Call, unanswered: Unanswered, cause: Cause): void {
  const { chain } = call;
  if (chain === undefined || !chain.serves(cause.kind)) return unanswered.giveUp(call, undefined, false);
  const stage = new Fallback(call, unanswered, cause);
  call.stage = stage;
  stage.begin(chain);
}

/**
 * The chain is asked, and its answer is delivered. This stage does everything that grpc-js does for a real call: it enforces the
 * deadline, the cancellation and flow control, and never answers in the turn in which the call was made.
 */
class Fallback implements Stage, StreamedAnswerListener {
  private readonly call: Call;
  private readonly unanswered: Unanswered;
  private readonly cause: Cause;
  private readonly run: FallbackRun;
  /** The real call, if it is alive: it continues if no fallback answers. */
  private paused: PausedCall | undefined;
  /** The stage after this one: a slow real call may go on although the caller has its answer. */
  private next: Stage = OVER;
  private stream: StreamedAnswer | undefined;
  private leaveParent: (() => void) | undefined;
  /** The source of the answer; '' before there is an answer. */
  private source = '';

  constructor(call: Call, unanswered: Unanswered, cause: Cause) {
    this.call = call;
    this.unanswered = unanswered;
    this.cause = cause;
    this.paused = unanswered.paused;
    this.run = new FallbackRun(call, unanswered.entry, cause);
  }

  begin(chain: FallbackChain): void {
    this.paused?.begin?.(() => this.stop());
    const outcome = this.run.ask(chain);
    if (!(outcome instanceof Promise)) return this.conclude(outcome);
    this.run.wait(outcome, (later) => this.conclude(later));
    this.watchParent();
  }

  // ---------------------------------------------------------------- by the caller

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    if (this.paused === undefined) remember(call, context, message);
    else this.paused.sendMessage(call, context, message);
  }

  startRead(call: Call): void {
    call.reads++;
    this.stream?.read();
  }

  halfClose(call: Call): void {
    call.halfClosed = true;
    this.paused?.halfClose(call);
  }

  cancel(call: Call, code: status, details: string): void {
    const { paused } = this;
    this.paused = undefined;
    endLater(call, code, details);
    // The stage must be over before users' code runs: observers, listeners of strategies' signals, and interceptors behind the
    // guard, which may deliver the real call's status in this turn.
    call.stage = this.next;
    this.end();
    recordCancelled(call, this.unanswered.entry, this.cause, code);
    this.run.cancel('cancelled');
    paused?.end(call, code, details);
  }

  // ---------------------------------------------------------------- by a real call that is alive

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    if (this.paused === undefined) this.next.onReceiveMetadata?.(call, metadata);
    else this.paused.onReceiveMetadata?.(call, metadata);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (this.paused === undefined) this.next.onReceiveMessage?.(call, message);
    else this.paused.onReceiveMessage(call, message);
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    if (this.paused === undefined) this.next.onReceiveStatus?.(call, received);
    else this.paused.onReceiveStatus(call, received);
  }

  /** Ends the chain's run, because the real call has answered. */
  private stop(): void {
    this.end();
    this.run.cancel('cancelled');
  }

  // ---------------------------------------------------------------- the result of the chain

  private get isOver(): boolean {
    return this.call.stage !== this;
  }

  private conclude({ answer, attempts }: ChainResult): void {
    if (this.isOver) return;
    if (attempts.length > 0) this.call.method.attempts.add(this.call.method.path, attempts);
    if (answer !== undefined) return this.give(answer);
    this.end();
    const story = attempts.length === 0 ? undefined : describeAttempts(attempts);
    this.unanswered.giveUp(this.call, story, this.run.hasExpired);
  }

  private give(answer: Answer<unknown>): void {
    const { call, cause } = this;
    this.next = this.paused?.answered(call) ?? OVER;
    this.paused = undefined;
    this.source = answer.source;
    emitDegraded(call.method, this.unanswered.entry.key, answer, cause);
    try {
      call.listener.onReceiveMetadata?.(label(answer, cause, call.method.events.warnings));
    } finally {
      if (!this.isOver) this.giveMessage(answer); // the caller may have cancelled in its listener
    }
  }

  private giveMessage(answer: Answer<unknown>): void {
    const { call } = this;
    if (call.options.method_definition.responseStream) return this.giveStream(answer.message);
    const { provenance } = call.method;
    if (provenance !== undefined) rememberProvenance(provenance, answer, this.cause);
    try {
      call.listener.onReceiveMessage?.(answer.message);
    } finally {
      this.finish(newOkStatus());
    }
  }

  private giveStream(message: unknown): void {
    this.stream = new StreamedAnswer(this.call, message, this);
    this.watchParent();
    if (!this.isOver) this.stream.start();
  }

  // ---------------------------------------------------------------- by a streamed answer

  onStreamMessage(message: unknown): void {
    this.call.listener.onReceiveMessage?.(message);
  }

  onStreamEnd(): void {
    this.finish(newOkStatus());
  }

  onStreamError(details: string, given: boolean): void {
    const own = given ? undefined : this.unanswered.status(this.call, details, this.run.hasExpired);
    if (own !== undefined && own.code !== status.OK) this.finish(own);
    else this.finish({ code: status.UNKNOWN, details, metadata: new Metadata() });
  }

  onStreamDeadline(details: string): void {
    this.run.cancel('deadline');
    this.finish(expiredStatus(details));
  }

  onStreamLeft(details: string): void {
    this.cancel(this.call, status.CANCELLED, details);
  }

  // ---------------------------------------------------------------- the end

  private watchParent(): void {
    this.leaveParent ??= followParent(this.call, (details) =>
      this.cancel(this.call, status.CANCELLED, details),
    );
  }

  private finish(final: StatusObject): void {
    if (this.isOver) return;
    this.end();
    this.call.stage = this.next;
    const { entry } = this.unanswered;
    if (final.code === status.OK) recordFallbackAnswer(this.call, entry, this.source, this.cause);
    else recordNoAnswer(this.call, entry, this.cause, final.code);
    if (final.code === status.OK) this.call.listener.onReceiveStatus?.(final);
    else giveError(this.call, final);
  }

  private end(): void {
    this.stream?.stop();
    this.leaveParent?.();
  }
}
