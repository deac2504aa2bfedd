import { type InterceptingListener, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { isUnhealthy, type Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { pushbackOf } from '../status/push-back.js';
import type { AnsweredCall } from './answered-call.js';
import { Answering } from './answering.js';
import { cancellingParent } from './budget.js';
import { DeliveringCall, type RealCall } from './delivering-call.js';
import { GoodAnswer } from './good-answer.js';
import type { Permits } from './permits.js';
import type { StreamWatch } from './stream-watch.js';

/** Before the start. */
export const NO_METADATA = new Metadata();

/**
 * The half of a guarded call that faces the server: hears the real call, classifies and settles what it says, and passes
 * it on, or has it answered otherwise. A class between, and not a listener of its own, because an object less per call is
 * what makes this style the cheapest that grpc-js offers.
 */
export abstract class ReceivingCall extends DeliveringCall implements InterceptingListener, AnsweredCall {
  metadata: Metadata = NO_METADATA;
  deadlineMs = Number.POSITIVE_INFINITY;
  reads = 0;

  protected request: unknown;
  protected halfClosed = false;
  protected cancelled = false;
  protected entry: Entry | undefined;
  protected permits: Permits | undefined;
  protected real: RealCall | undefined;
  protected startedAtMs = 0;
  /** What the call had of its deadline when it began. */
  protected budgetMs = Number.POSITIVE_INFINITY;
  protected pendingWrite: (() => void) | undefined;
  protected watch: StreamWatch | undefined;
  protected answering: Answering | undefined;

  /** Of a call that goes on while its fallback is asked. */
  private heldStatus: StatusObject | undefined;
  private messageOutcome: Outcome | undefined;

  onReceiveMetadata(metadata: Metadata): void {
    if (this.phase !== 'calling') return;
    if (this.guard.settings.holdHeaders && !this.delivered && this.servesFailures())
      this.heldMetadata = metadata;
    else this.listener.onReceiveMetadata?.(metadata);
  }

  onReceiveMessage(message: unknown): void {
    if (this.phase !== 'calling') return;
    if (message === null) return; // of a failed call with a unary response; passed on with its status
    this.classify(message);
    const { requestStream, responseStream } = this.options.method_definition;
    if (responseStream) this.receiveStreamed(message);
    else if (this.chain === undefined || this.delivered) this.deliver(message);
    else if (this.heldMessage !== undefined) {
      this.deliver(this.heldMessage); // two answers where one is expected: the client knows what to do
      this.deliver(message);
    } else {
      this.heldMessage = message; // until the status says whether it is the answer
      if (requestStream) this.real?.startRead(); // as the client does to see whether there is a second one
      if (this.messageOutcome === undefined || !isUnhealthy(this.messageOutcome)) this.releaseMetadata();
    }
  }

  /** The worst message speaks for the whole answer. */
  private classify(message: unknown): void {
    const { classifier } = this.guard.settings;
    if (!classifier.seesMessages) return;
    if (this.messageOutcome !== undefined && isUnhealthy(this.messageOutcome)) return;
    this.messageOutcome = classifier.classifyMessage(message) ?? this.messageOutcome;
  }

  private receiveStreamed(message: unknown): void {
    this.watch?.received();
    const outcome = this.messageOutcome;
    const replaceable = !this.delivered && !this.cancelled && this.servesFailures();
    if (outcome !== undefined && isUnhealthy(outcome) && replaceable) return this.replace(outcome, message);
    if (this.permits?.probe === true) {
      // Decided by its first message: a long stream must not run into the time limit of a probe.
      this.settle(this.messageOutcome ?? 'success', status.OK, 0);
    }
    this.reads--;
    this.deliver(message);
  }

  /** The stream's first message is an error in disguise, and nothing has been passed on yet. */
  private replace(outcome: Outcome, message: unknown): void {
    this.settle(outcome, status.OK, 0);
    this.heldMessage = message;
    const asked = this.reads;
    this.goOn = () => {
      this.phase = 'calling';
      if (asked < this.reads) this.watch?.reading();
      for (let read = asked; read < this.reads; read++) this.real?.startRead();
      this.reads--;
      try {
        this.deliver(message);
      } finally {
        if (this.heldStatus !== undefined) this.onReceiveStatus(this.heldStatus); // also to a listener that threw
      }
    };
    this.fallBack(outcome, { code: status.OK, details: '', metadata: new Metadata() });
  }

  onReceiveStatus(received: StatusObject): void {
    this.watch?.stop();
    if (this.phase === 'answering') this.heldStatus = received;
    if (this.phase !== 'calling') return;
    const durationMs = this.guard.clock.now() - this.startedAtMs;
    const outcome = this.outcomeOf(received, durationMs);
    this.settle(outcome, received.code, durationMs, received.metadata);
    if (isUnhealthy(outcome) && !this.delivered && this.servesFailures())
      return this.fallBack(outcome, received);
    if (outcome === 'success') this.keep();
    this.passOn(received);
  }

  private outcomeOf({ code, details, metadata }: StatusObject, durationMs: number): Outcome {
    const { classifier, minimumDeadlineMs } = this.guard.settings;
    if (code === status.OK && this.messageOutcome !== undefined) return this.messageOutcome;
    if (this.cancelled && code !== status.OK) return 'ignored';
    if (code === status.CANCELLED && cancellingParent(this.options)?.cancelled === true) return 'ignored';
    if (code === status.DEADLINE_EXCEEDED && this.budgetMs < minimumDeadlineMs) return 'ignored';
    return classifier.classify(code, details, metadata, durationMs);
  }

  /** A response stream took as long as it let its reader wait at the most. */
  private settle(outcome: Outcome, code: status, durationMs: number, trailers?: Metadata): void {
    const pushbackMs = trailers !== undefined && isUnhealthy(outcome) ? pushbackOf(trailers) : 0;
    const { responseStream } = this.options.method_definition;
    const waitedMs = responseStream ? (this.watch?.longestWaitMs ?? durationMs) : durationMs;
    this.permits?.settle(outcome, code, waitedMs, pushbackMs);
  }

  private keep(): void {
    const { chain, entry, heldMessage: response } = this;
    if (response === undefined || entry === undefined || chain?.keeps !== true) return;
    chain.keep(new GoodAnswer(this, chain, entry.key, response));
  }

  private fallBack(outcome: Outcome, received: StatusObject): void {
    if (this.entry === undefined) return;
    this.phase = 'answering';
    if (this.goOn === undefined) this.releaseWriter();
    const cause = { kind: 'failed', outcome, status: received } as const;
    const answering = Answering.failed(this, this.entry, cause);
    this.answering = answering;
    answering.start(this.isHalfSent());
  }

  /** Half a client stream is no request: its fallback waits for the rest. */
  protected isHalfSent(): boolean {
    const { requestStream, responseStream } = this.options.method_definition;
    return requestStream && !responseStream && !this.halfClosed;
  }

  requests(): readonly unknown[] {
    const { sent, chain } = this;
    if (sent === undefined || chain === undefined) return this.request === undefined ? [] : [this.request];
    return sent.read((bytes) => chain.decodeRequest(bytes));
  }

  get requestBytes(): Buffer | undefined {
    return this.sent?.first;
  }

  /**
   * Whether what the caller sends goes to the real call: while that runs, and while a fallback is asked to replace its
   * first message, for it goes on if none does.
   */
  protected get conversing(): boolean {
    return this.phase === 'calling' || (this.phase === 'answering' && this.goOn !== undefined);
  }

  private releaseWriter(): void {
    if (this.pendingWrite !== undefined) process.nextTick(this.pendingWrite);
  }

  onAnswer(): void {
    this.goOn = undefined;
    this.watch?.stop();
    this.releaseWriter();
    this.real?.cancelWithStatus(status.CANCELLED, 'failsoft: answered by a fallback');
  }

  // ---------------------------------------------------------------- a stream that is stuck, or that nobody reads

  onStuck(details: string): void {
    this.real?.cancelWithStatus(status.DEADLINE_EXCEEDED, details);
  }

  onAbandoned(): void {
    this.settle(this.messageOutcome ?? 'ignored', status.OK, 0);
  }
}
