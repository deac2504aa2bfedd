import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { normalStatus } from '../status/normal-status.js';
import { cancellingParent } from './budget.js';
import { type Call, type MessageContext, OK_STATUS, type RealCall, type Stage } from './call.js';
import { type EndedCall, hadTooLittleTime, settleEnded } from './ended-call.js';
import { GoodAnswer } from './good-answer.js';
import { isNotedWhenSent, sendNoted } from './message-bytes.js';
import { OVER } from './over.js';
import type { Permits } from './permits.js';
import { recordPrimaryEnd } from './record-end.js';
import { startsUnseen } from './sends-as-given.js';
import { StreamWatch, type StreamWatchListener } from './stream-watch.js';

/**
 * The real call runs, and its events are passed on at once. This stage owns the permits until they are settled, and classifies
 * the server's messages and status.
 */
export class Primary implements Stage, StreamWatchListener, EndedCall {
  readonly real: RealCall;
  readonly entry: Entry;
  readonly permits: Permits;
  /** The time that the real call was given, in milliseconds: the caller's, less the reserve. Infinity without a deadline. */
  readonly givenMs: number;
  /** The part of the caller's time that is reserved for fallbacks, in milliseconds. */
  private readonly reserveMs: number;
  readonly watch: StreamWatch | undefined;
  /** The answer for strategies that keep good answers; undefined if the chain has no such strategy. */
  readonly good: GoodAnswer | undefined;
  isCancelled = false;
  /** The outcome that `classifyMessage` gave; undefined while the status decides. */
  messageOutcome: Outcome | undefined;
  private readonly responseStream: boolean;
  startedAtMs = 0;

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

  /** Starts the real call, and asks it for the messages that the caller has asked for before. */
  start(call: Call): void {
    this.good?.sentBy(call, this.real);
    // A copy, because interceptors behind the guard may change the metadata, but the caller's and the guard's own must not change.
    // Without such an interceptor, grpc-js's channel makes a copy. A channel of another kind may not, so what fallbacks read later
    // is copied in any case.
    const isSafe = call.chain?.readsCall !== true && startsUnseen(this.real);
    const metadata = isSafe ? call.metadata : call.metadata.clone();
    const { clock, connection, loop } = call.method;
    this.startedAtMs = clock.now();
    connection.begins(this.startedAtMs);
    loop.begins(this.startedAtMs);
    // The reserve shortens a stream's wait for its first message, but not the stream itself.
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
    if (this.watch !== undefined) {
      this.noteSending(call);
      this.watch.sent();
    }
    try {
      this.send(call, context, message);
    } catch (error) {
      // grpc-js may leave such a call without an end, for example if its encoder has returned no bytes
      this.settleNow('ignored', status.CANCELLED);
      throw error;
    }
  }

  private send(call: Call, context: MessageContext, message: unknown): void {
    const { sent } = call;
    if (sent !== undefined && isNotedWhenSent(call, this.real)) {
      sendNoted(this.real, context, message, sent);
      return;
    }
    sent?.add(message);
    this.real.sendMessageWithContext(context, message);
  }

  startRead(): void {
    this.watch?.reading();
    this.real.startRead();
  }

  halfClose(call: Call): void {
    call.halfClosed = true;
    if (this.watch !== undefined) {
      this.noteSending(call);
      this.watch.halfClosed();
    }
    this.real.halfClose();
  }

  cancel(_call: Call, code: status, details: string): void {
    this.isCancelled = true;
    this.real.cancelWithStatus(code, details);
    // Settles now, because an interceptor behind the guard may withhold the status for ever.
    this.settleNow('ignored', status.CANCELLED);
  }

  /** Restarts the measured time: the time in which a streaming caller sends does not count against the server. */
  private noteSending(call: Call): void {
    if (call.options.method_definition.requestStream) this.startedAtMs = call.method.clock.now();
  }

  // ---------------------------------------------------------------- by the server

  onReceiveMetadata(call: Call, metadata: Metadata): void {
    this.good?.setMetadata(metadata);
    call.listener.onReceiveMetadata?.(metadata);
  }

  onReceiveMessage(call: Call, message: unknown): void {
    if (message !== null) {
      this.judgeMessage(call, message);
      this.good?.setResponse(message);
      if (this.responseStream) this.noteStreamed(call);
    }
    call.listener.onReceiveMessage?.(message);
  }

  onReceiveStatus(call: Call, received: StatusObject): void {
    const normal = this.isPlainSuccess(call, received.code) ? OK_STATUS : normalStatus(received);
    recordPrimaryEnd(call, this.entry, this.conclude(call, normal), normal.code);
    call.stage = OVER;
    call.listener.onReceiveStatus?.(received);
  }

  /** Whether only the code of a status counts, as in nearly every call: then nothing else of the status is read. */
  private isPlainSuccess(call: Call, code: status): boolean {
    return (
      code === status.OK && this.messageOutcome === undefined && call.method.settings.classifier.okIsSuccess
    );
  }

  /** The worst message decides for the whole answer. */
  judgeMessage(call: Call, message: unknown): void {
    const { classifier } = call.method.settings;
    if (!classifier.seesMessages) return;
    if (this.messageOutcome !== undefined && isUnhealthy(this.messageOutcome)) return;
    this.messageOutcome = classifier.classifyMessage(message) ?? this.messageOutcome;
  }

  /** Called for each message of a response stream. It settles a probe, because a long stream would exceed a probe's time limit. */
  noteStreamed(call: Call): void {
    call.method.connection.firstAnswer(call.method.clock);
    this.watch?.received();
    if (this.permits.probe) this.settleNow(this.messageOutcome ?? 'success', status.OK);
  }

  /** Settles the permits of a real call that is over, and keeps a good answer. */
  conclude(call: Call, received: StatusObject): Outcome {
    this.watch?.stop();
    const nowMs = call.method.clock.now();
    const durationMs = nowMs - this.startedAtMs;
    const outcome = this.outcomeOf(call, received, durationMs);
    settleEnded(call.method, this, received, outcome, nowMs, this.waitedMs(durationMs));
    if (outcome === 'success') this.good?.keep();
    return outcome;
  }

  private outcomeOf(call: Call, { code, details, metadata }: StatusObject, durationMs: number): Outcome {
    const known =
      code === status.OK ? this.messageOutcome : this.isIgnored(call, code) ? 'ignored' : undefined;
    return known ?? call.method.settings.classifier.classify(code, details, metadata, durationMs);
  }

  /** Whether an error is no evidence about the server, whatever its details are. */
  private isIgnored(call: Call, code: status): boolean {
    if (this.isCancelled) return true;
    if (code === status.CANCELLED) return cancellingParent(call.options)?.cancelled === true;
    return code === status.DEADLINE_EXCEEDED && hadTooLittleTime(call.method, this);
  }

  /** Settles the permits before the end of the real call. Does nothing if they are settled. */
  settleNow(outcome: Outcome, code: status): void {
    this.permits.settle(outcome, code, this.waitedMs(0), 0);
  }

  /** How long the caller waited for the server. For a response stream, that is the longest wait of its reader. */
  private waitedMs(durationMs: number): number {
    return this.responseStream ? (this.watch?.longestWaitMs ?? durationMs) : durationMs;
  }

  // ---------------------------------------------------------------- by the watch on a stream

  onStuck(details: string): void {
    this.real.cancelWithStatus(status.DEADLINE_EXCEEDED, details);
  }

  onAbandoned(): void {
    this.settleNow(this.messageOutcome ?? 'ignored', status.OK);
  }
}
