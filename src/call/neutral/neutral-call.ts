import { type Deadline, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Rejection } from '../../circuit/types.js';
import type { Outcome } from '../../classify/outcome.js';
import type { Clock } from '../../clock.js';
import type { FallbackChain } from '../../fallback/chain/chain.js';
import type { Cause } from '../../fallback/strategy.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Entry } from '../../guard/circuit-registry.js';
import type { ObservedCall } from '../../telemetry/call-observers.js';
import { reserveOf, setDeadline, type TimedCall } from '../budget.js';
import { type KeyedCall, keyPartOf } from '../call-key.js';
import { hadTooLittleTime, settleEnded } from '../ended-call.js';
import type { AskedCall } from '../fallback-run.js';
import { type AnsweredCall, GoodAnswer } from '../good-answer.js';
import type { MethodGuard } from '../method-guard.js';
import { Permits, type RejectedBy } from '../permits.js';
import {
  causeOf,
  type ObservableCall,
  recordCancelled,
  recordNoAnswer,
  recordPrimaryEnd,
} from '../record-end.js';
import { RejectedCall } from '../rejected-call.js';
import { reportRejection } from '../rejected-event.js';
import { SentMessages } from '../sent-messages.js';
import type { StreamLimits } from '../stream-watch.js';
import { askForCall, type OnCancel } from './ask-for-call.js';
import type { CallShape, GuardCallOptions } from './call-types.js';
import type { FallbackResult, OpenCall } from './open-call.js';
import type { RequestStream } from './request-stream.js';

const NO_METADATA = new Metadata();

interface NeutralOptions {
  readonly method_definition: { readonly requestStream: boolean; readonly responseStream: boolean };
  readonly deadline?: Deadline;
  readonly host?: string;
}

/**
 * A guarded call of any transport: key, admission, outcome, chain, label. The adapter makes the real call and reports its end. The
 * permits are settled once, whatever the adapter reports.
 */
export class NeutralCall implements OpenCall, TimedCall, KeyedCall, AskedCall, AnsweredCall, ObservableCall {
  readonly method: MethodGuard;
  readonly options: NeutralOptions;
  readonly callOptions: FailsoftCallOptions;
  readonly observed: ObservedCall | undefined;
  readonly chain: FallbackChain | undefined;
  readonly metadata: Metadata;
  request: unknown;
  sent: SentMessages | undefined;
  /** The caller's messages; undefined unless the request is a stream. */
  requests: RequestStream<unknown> | undefined;
  deadlineMs = Number.POSITIVE_INFINITY;
  private admission: Permits | RejectedBy | undefined;
  private found: Entry | undefined;
  givenMs = Number.POSITIVE_INFINITY;
  private reserveMs = 0;
  startedAtMs = 0;

  /** @param request the message; for a request stream, the first message if it is already there */
  constructor(method: MethodGuard, definition: CallShape, request: unknown, options: GuardCallOptions) {
    const { requestStream = false, responseStream = false } = definition;
    const { deadline, host } = options;
    this.method = method;
    this.options = {
      method_definition: { requestStream, responseStream },
      ...(deadline !== undefined && { deadline }),
      ...(host !== undefined && { host }),
    };
    this.callOptions = options;
    this.observed = method.observers.begin(method.clock);
    this.chain = this.callOptions.fallback === false ? undefined : method.chain();
    this.metadata = this.ownMetadata(options.metadata);
    this.request = request;
  }

  /** The caller's metadata, or a copy where they are read later, because the caller may reuse them for its next call at once. */
  private ownMetadata(given: Metadata | undefined): Metadata {
    if (given === undefined) return NO_METADATA;
    return this.needsRequest || this.chain?.readsCall === true ? given.clone() : given;
  }

  /** Whether the key depends on the message. */
  get needsRequest(): boolean {
    return this.callOptions.key === undefined && this.method.settings.keyPart.needsRequest;
  }

  /** Sets the deadline, finds the circuit, then acquires the permits: from then on the adapter must report the call's end. */
  admit(): void {
    const budgetMs = setDeadline(this);
    const { chain, options, method } = this;
    const entry = method.line.get(keyPartOf(this));
    this.found = entry;
    this.reserveMs = reserveOf(this, budgetMs, entry.usualLatency.ms);
    this.givenMs = budgetMs - this.reserveMs;
    if (chain?.readsCall === true) {
      const { requestStream } = options.method_definition;
      const limit = requestStream ? method.settings.fallbackBufferBytes : Number.POSITIVE_INFINITY;
      this.sent = new SentMessages((message) => chain.encodeRequest(message), limit);
      if (!requestStream) this.sent.add(this.request);
    }
    this.requests?.keepFor(this);
    this.startedAtMs = method.clock.now();
    method.connection.begins(this.startedAtMs);
    method.loop.begins(this.startedAtMs);
    const admission = Permits.acquire(this, entry);
    this.admission = admission;
    if (!(admission instanceof Permits)) reportRejection(this, admission);
  }

  get entry(): Entry {
    if (this.found === undefined) throw new Error('failsoft: the call was not admitted yet'); // a bug of an adapter
    return this.found;
  }

  get clock(): Clock {
    return this.method.clock;
  }

  get limits(): StreamLimits {
    return this.method.settings;
  }

  report(error: unknown, source: string): void {
    this.method.events.warnings.report(error, source);
  }

  get circuitKey(): string {
    return this.entry.key;
  }

  /** Undefined for an admitted call. */
  get rejection(): Rejection | undefined {
    return this.admission instanceof Permits ? undefined : this.admission?.rejection;
  }

  get isProbe(): boolean {
    return this.admission instanceof Permits && this.admission.probe;
  }

  /** When the real call must end, in milliseconds since the epoch. A running stream has its caller's whole time. */
  get primaryDeadlineMs(): number {
    return this.options.method_definition.responseStream ? this.deadlineMs : this.deadlineMs - this.reserveMs;
  }

  /** The time for the first message of a stream, in milliseconds, if the rest is reserved for fallbacks; otherwise Infinity. */
  get firstMessageMs(): number {
    return this.reserveMs > 0 ? this.givenMs : Number.POSITIVE_INFINITY;
  }

  /** Notes that the caller's time is over by a limit that the guard did not know. */
  hadOnly(ms: number): void {
    this.givenMs = Math.min(this.givenMs, ms);
  }

  /** Whether a fallback would be asked if the real call failed now. */
  get isReplaceable(): boolean {
    return this.chain?.serves('failed') === true;
  }

  get elapsedMs(): number {
    return this.method.clock.now() - this.startedAtMs;
  }

  // ---------------------------------------------------------------- the real call's end

  judgeMessage(message: unknown): Outcome | undefined {
    const { classifier } = this.method.settings;
    return classifier.seesMessages ? classifier.classifyMessage(message) : undefined;
  }

  /**
   * Classifies the status of a real call that is over, and settles the permits.
   * @param known the outcome, if something other than the status decides it
   * @param waitedMs how long the caller waited for the server
   */
  conclude(received: StatusObject, known?: Outcome, waitedMs = this.elapsedMs): Outcome {
    const outcome = known ?? this.outcomeOf(received, waitedMs);
    settleEnded(this.method, this, received, outcome, this.clock.now(), waitedMs);
    return outcome;
  }

  private outcomeOf(received: StatusObject, waitedMs: number): Outcome {
    const { code, details, metadata } = received;
    if (code === status.DEADLINE_EXCEEDED && hadTooLittleTime(this.method, this)) return 'ignored';
    return this.method.settings.classifier.classify(code, details, metadata, waitedMs);
  }

  settle(outcome: Outcome, waitedMs: number, code = status.OK): void {
    this.permits?.settle(outcome, code, waitedMs, 0);
  }

  get permits(): Permits | undefined {
    return this.admission instanceof Permits ? this.admission : undefined;
  }

  /** Records that the caller gets the primary's own answer or error, which `guard.answers()` counts. */
  gaveOwn(outcome: Outcome, code: status): void {
    recordPrimaryEnd(this, this.entry, outcome, code);
  }

  get keeps(): boolean {
    return this.chain?.keeps === true && !this.options.method_definition.responseStream;
  }

  keep(response: unknown, headers: Metadata | undefined, sent?: readonly Metadata[]): void {
    const { chain } = this;
    if (chain === undefined || !this.keeps) return;
    const good = new GoodAnswer(this, chain, this.circuitKey);
    if (headers !== undefined) good.setMetadata(headers);
    if (sent !== undefined) good.setSentMetadata(sent);
    good.setResponse(response);
    good.keep();
  }

  // ---------------------------------------------------------------- fallbacks

  /** The status of a rejected call that no fallback answered, for its caller. */
  rejectedStatus(result?: FallbackResult): StatusObject {
    const { admission } = this;
    if (admission === undefined || admission instanceof Permits) throw new Error('failsoft: not rejected');
    const none = result?.answer === undefined ? result : undefined;
    const final = new RejectedCall(this.entry, admission).status(this, none?.story, none?.expired ?? false);
    recordNoAnswer(this, this.entry, causeOf(admission.rejection), final.code);
    return final;
  }

  /** Records that the caller has gone while a fallback was asked. */
  left(cause: Cause): void {
    recordCancelled(this, this.entry, cause, status.CANCELLED);
  }

  rejectedCause(): Cause {
    if (this.rejection === undefined) throw new Error('failsoft: not rejected'); // a bug of an adapter
    return causeOf(this.rejection);
  }

  /**
   * Asks the chain. Never rejects.
   * @param onCancel called with a function that ends the run. Call that function when the caller goes, also while it reads a
   * streamed answer
   */
  fallBack(cause: Cause, onCancel: OnCancel): Promise<FallbackResult> {
    return askForCall(this, cause, onCancel);
  }
}
