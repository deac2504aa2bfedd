import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { normalStatus } from '../status/normal-status.js';
import { pushbackOf } from '../status/push-back.js';
import { cancellingParent } from './budget.js';
import type { Call, MessageContext, RealCall, Stage } from './call.js';
import { GoodAnswer } from './good-answer.js';
import { OVER } from './over.js';
import type { Permits } from './permits.js';
import { StreamWatch, type StreamWatchListener } from './stream-watch.js';

/**
 * The real call runs, and what comes is passed straight on. Owns the permit until it is settled, and judges what the server
 * gives.
 */
export class Primary implements Stage, StreamWatchListener {
  readonly real: RealCall;
  readonly entry: Entry;
  readonly permits: Permits;
  /** What the real call may take of the caller's time, in milliseconds; Infinity without a deadline. */
  private readonly givenMs: number;
  /** What of it is kept for the fallbacks. */
  private readonly reserveMs: number;
  readonly watch: StreamWatch | undefined;
  /** Kept for strategies that keep good answers; undefined where there are none. */
  readonly good: GoodAnswer | undefined;
  isCancelled = false;
  /** What the messages say; undefined where they say nothing. */
  messageOutcome: Outcome | undefined;
  private readonly responseStream: boolean;
  private startedAtMs = 0;

  constructor(
    call: Call,
    real: RealCall,
    entry: Entry,
    permits: Permits,
    budgetMs: number,
    reserveMs: number,
  ) {
    const { chain, method, options } = call;
    const { requestStream, responseStream } = options.method_definition;
    this.responseStream = responseStream;
    this.real = real;
    this.entry = entry;
    this.permits = permits;
    this.givenMs = budgetMs - reserveMs;
    this.reserveMs = reserveMs;
    this.watch =
      requestStream || responseStream
        ? new StreamWatch(method.clock, method.settings, options.method_definition, this)
        : undefined;
    this.good = chain?.keeps === true && !responseStream ? new GoodAnswer(call, chain, entry.key) : undefined;
  }

  /** Starts the real call, and asks it for what the caller has asked for before. */
  start(call: Call): void {
    // From here on the metadata may be changed by interceptors behind the guard: what is kept is not theirs to change.
    const metadata = call.chain?.readsCall === true ? call.metadata.clone() : call.metadata;
    this.good?.sends(metadata);
    this.startedAtMs = call.method.clock.now();
    // A stream that runs has the whole deadline, and its first message less.
    if (this.responseStream && this.reserveMs > 0 && this.givenMs < Number.POSITIVE_INFINITY)
      this.watch?.firstMessageBy(this.givenMs);
    try {
      this.real.start(metadata, call);
    } catch (error) {
      this.watch?.stop();
      throw error;
    }
    if (call.reads > 0) this.watch?.reading();
    for (let left = call.reads; left > 0; left--) this.real.startRead();
  }

  // ---------------------------------------------------------------- by the caller

  sendMessage(call: Call, context: MessageContext, message: unknown): void {
    call.request ??= message;
    call.sent?.add(message);
    this.noteSending(call);
    this.watch?.sent();
    this.real.sendMessageWithContext(context, message);
  }

  startRead(): void {
    this.watch?.reading();
    this.real.startRead();
  }

  halfClose(call: Call): void {
    call.halfClosed = true;
    this.noteSending(call);
    this.watch?.halfClosed();
    this.real.halfClose();
  }

  cancel(_call: Call, code: status, details: string): void {
    this.isCancelled = true;
    this.real.cancelWithStatus(code, details);
  }

  /** The time that a streaming caller takes to send is not the server's. */
  private noteSending(call: Call): void {
    if (call.options.method_definition.requestStream) this.startedAtMs = call.method.clock.now();
  }

  // ---------------------------------------------------------------- by the server

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    this.good?.hasMetadata(metadata);
    call.listener.onReceiveMetadata?.(metadata);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message !== null) {
      this.judgeMessage(call, message);
      this.good?.hasResponse(message);
      if (this.responseStream) this.noteStreamed();
    }
    call.listener.onReceiveMessage?.(message);
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    this.conclude(call, normalStatus(received));
    call.stage = OVER;
    call.listener.onReceiveStatus?.(received);
  }

  /** The worst message speaks for the whole answer. */
  judgeMessage(call: Call, message: unknown): void {
    const { classifier } = call.method.settings;
    if (!classifier.seesMessages) return;
    if (this.messageOutcome !== undefined && isUnhealthy(this.messageOutcome)) return;
    this.messageOutcome = classifier.classifyMessage(message) ?? this.messageOutcome;
  }

  /** A message of a stream came. It decides a probe: a long stream must not run into the time limit of one. */
  noteStreamed(): void {
    this.watch?.received();
    if (this.permits.probe) this.settle(this.messageOutcome ?? 'success', status.OK, 0, 0);
  }

  /** The real call is over: settles the permit, and keeps the answer if it is a good one. */
  conclude(call: Call, received: StatusObject): Outcome {
    this.watch?.stop();
    const durationMs = call.method.clock.now() - this.startedAtMs;
    const outcome = this.outcomeOf(call, received, durationMs);
    const pushbackMs = isUnhealthy(outcome) ? pushbackOf(received.metadata) : 0;
    this.settle(outcome, received.code, durationMs, pushbackMs);
    if (outcome === 'success') {
      this.entry.usualLatency.record(this.waitedMs(durationMs));
      this.good?.keep();
    }
    return outcome;
  }

  private outcomeOf(call: Call, { code, details, metadata }: StatusObject, durationMs: number): Outcome {
    if (code === status.OK) {
      if (this.messageOutcome !== undefined) return this.messageOutcome;
    } else if (this.isCancelled) {
      return 'ignored';
    } else if (code === status.CANCELLED) {
      if (cancellingParent(call.options)?.cancelled === true) return 'ignored';
    } else if (code === status.DEADLINE_EXCEEDED && this.hadTooLittleTime(call)) {
      return 'ignored';
    }
    return call.method.settings.classifier.classify(code, details, metadata, durationMs);
  }

  /** A caller who gives a method less than it usually takes learns nothing about the server from running out of it. */
  private hadTooLittleTime(call: Call): boolean {
    return this.givenMs < call.method.settings.minimumDeadlineOf(this.entry.usualLatency.ms);
  }

  /** Settles the permit, unless it is settled. */
  settle(outcome: Outcome, code: status, durationMs: number, pushbackMs: number): void {
    this.permits.settle(outcome, code, this.waitedMs(durationMs), pushbackMs);
  }

  /** A response stream took as long as it let its reader wait at the most. */
  private waitedMs(durationMs: number): number {
    return this.responseStream ? (this.watch?.longestWaitMs ?? durationMs) : durationMs;
  }

  // ---------------------------------------------------------------- a stream that is stuck, or that nobody reads

  onStuck(details: string): void {
    this.real.cancelWithStatus(status.DEADLINE_EXCEEDED, details);
  }

  onAbandoned(): void {
    this.settle(this.messageOutcome ?? 'ignored', status.OK, 0, 0);
  }
}
