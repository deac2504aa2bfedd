import {
  type InterceptingCall,
  type InterceptingListener,
  type InterceptorOptions,
  Metadata,
  type NextCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { type FailsoftCallOptions, NO_CALL_OPTIONS } from '../guard/call-options.js';
import type { Entry } from '../guard/circuit-registry.js';
import { bounded } from '../key/key-by.js';
import { warn } from '../telemetry/emitter.js';
import { Answering } from './answering.js';
import { cancellingParent, deadlineOf } from './budget.js';
import { NO_LISTENER } from './delivering-call.js';
import { awaitFirstMessage } from './first-message.js';
import type { MethodGuard } from './method-guard.js';
import { Permits, type RejectedBy } from './permits.js';
import { NO_METADATA, ReceivingCall } from './receiving-call.js';
import { giveRejection } from './rejecting.js';
import { SentMessages } from './sent-messages.js';
import { StreamWatch } from './stream-watch.js';

type MessageContext = Parameters<InterceptingCall['sendMessageWithContext']>[0];

/**
 * One guarded call of any of the four kinds: towards the real call it is the caller, towards the caller it is the call,
 * and it is its own listener. This is the half that faces the caller.
 *
 *     start ─► key ─► permit ─► the real call ─► classify ─► settle ─► the caller
 *                └─ rejection ──────────────────────┴──► Answering ──────┘
 */
export class GuardedCall extends ReceivingCall {
  private readonly makeCall: NextCall;
  private readonly said: FailsoftCallOptions;
  private cancelledBeforeStart: StatusObject | undefined;

  constructor(guard: MethodGuard, options: InterceptorOptions, makeCall: NextCall, said = NO_CALL_OPTIONS) {
    super(guard, options, said.fallback === false ? undefined : guard.chain());
    this.makeCall = makeCall;
    this.said = said;
  }

  override start(metadata: Metadata, listener: Partial<InterceptingListener> = NO_LISTENER): void {
    const { requestStream } = this.options.method_definition;
    const waits = this.said.key === undefined && this.guard.settings.keyPart.needsRequest;
    // The caller may use its own for the next call as soon as this one is made; what is kept, or may be used in a later
    // turn, must not change with it.
    const outlives = this.chain?.readsCall === true || waits;
    this.metadata = outlives ? metadata.clone() : metadata;
    this.listener = listener;
    if (this.cancelledBeforeStart !== undefined) return this.endUnmade(this.cancelledBeforeStart);
    this.phase = 'waiting';
    if (waits) awaitFirstMessage(this, requestStream);
    else this.decide();
  }

  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.request ??= message;
    this.decideInTurn();
    this.sent?.add(message);
    if (this.conversing) {
      this.noteSending();
      this.watch?.sent();
      const replaceable = this.chain !== undefined && !this.delivered;
      this.real?.sendMessageWithContext(replaceable ? this.noted(context) : context, message);
    } else if (context.callback !== undefined) {
      process.nextTick(context.callback); // nobody takes the message, and a writer that is not called back hangs
    }
  }

  /** A write that the real call did not take is called back when a fallback waits for the rest of the stream. */
  private noted(context: MessageContext): MessageContext {
    const { callback } = context;
    if (callback === undefined) return context;
    let called = false;
    const once = () => {
      if (called) return;
      called = true;
      callback();
    };
    this.pendingWrite = once;
    return { ...context, callback: once };
  }

  override sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }

  override startRead(): void {
    this.reads++;
    if (this.phase === 'calling') {
      this.watch?.reading();
      this.real?.startRead();
    } else {
      this.answering?.startRead();
    }
  }

  override halfClose(): void {
    this.halfClosed = true;
    this.decideInTurn();
    if (this.conversing) {
      this.noteSending();
      this.watch?.halfClosed();
      this.real?.halfClose();
    } else {
      this.answering?.halfClose();
    }
  }

  /** The time that a streaming caller takes to send is not the server's. */
  private noteSending(): void {
    if (this.options.method_definition.requestStream) this.startedAtMs = this.guard.clock.now();
  }

  override cancelWithStatus(code: status, details: string): void {
    if (this.phase === 'calling') {
      this.cancelled = true;
      this.real?.cancelWithStatus(code, details);
    } else if (this.answering !== undefined) {
      this.real?.cancelWithStatus(code, details);
      this.answering.cancel(code, details);
    } else if (this.phase !== 'done') {
      this.endUnmade({ code, details, metadata: new Metadata() });
    }
  }

  override getPeer(): string {
    return this.real?.getPeer() ?? 'unknown';
  }

  override getAuthContext(): ReturnType<InterceptingCall['getAuthContext']> {
    return this.real?.getAuthContext?.() ?? null; // not there before grpc-js 1.14
  }

  // ---------------------------------------------------------------- key, permit, real call

  /** The key is known, or will not be known in time. */
  decide(): void {
    if (this.phase !== 'waiting') return;
    const entry = this.guard.line.get(this.keyPart());
    this.entry = entry;
    const permits = Permits.acquire(entry, this.said.mode ?? 'enforce');
    this.setDeadline();
    const { requestSerialize, requestStream } = this.options.method_definition;
    if (this.chain?.readsCall === true) {
      const limitBytes = requestStream ? this.guard.settings.fallbackBufferBytes : Number.POSITIVE_INFINITY;
      this.sent = new SentMessages(requestSerialize, limitBytes);
    }
    if (permits instanceof Permits) this.call(permits);
    else this.reject(entry, permits);
  }

  /**
   * Decides where the client's method may have returned already: what it would have thrown is a status then, for nobody
   * could catch it.
   */
  decideLate(): void {
    if (this.phase === 'waiting' && cancellingParent(this.options)?.cancelled === true) {
      const details = 'Cancelled by parent call'; // it said so once, before there was a call to hear it
      return this.endUnmade({ code: status.CANCELLED, details, metadata: new Metadata() });
    }
    try {
      this.decide();
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error);
      this.endUnmade({ code: status.UNAVAILABLE, details, metadata: new Metadata() });
    }
  }

  private decideInTurn(): void {
    if (this.options.method_definition.requestStream) this.decideLate();
    else this.decide();
  }

  /** The end of a call that was never made. */
  private endUnmade(received: StatusObject): void {
    this.phase = 'done';
    if (this.metadata === NO_METADATA) this.cancelledBeforeStart = received;
    else setImmediate(() => this.passOn(received));
  }

  private keyPart(): string {
    if (this.said.key !== undefined) return bounded(this.said.key);
    try {
      return this.guard.settings.keyPart.of(this.request, this.metadata);
    } catch (error) {
      // A bug in a key function costs the caller the finer circuit, not the call.
      warn(error, `keyBy of ${this.guard.path}`);
      return '';
    }
  }

  private setDeadline(): void {
    const { defaultDeadlineMs } = this.guard.settings;
    this.deadlineMs = deadlineOf(this.options);
    if (this.deadlineMs === Number.POSITIVE_INFINITY) {
      if (defaultDeadlineMs === Number.POSITIVE_INFINITY) return;
      this.budgetMs = defaultDeadlineMs;
      this.deadlineMs = Date.now() + defaultDeadlineMs;
    } else {
      this.budgetMs = this.deadlineMs - Date.now();
    }
  }

  /** A copy where the deadline is another: an interceptor before the guard may make the call again with what it has. */
  private optionsUntil(deadlineMs: number): InterceptorOptions {
    const { options } = this;
    return deadlineOf(options) === deadlineMs ? options : { ...options, deadline: deadlineMs };
  }

  private call(permits: Permits): void {
    const { guard, options } = this;
    const { requestStream, responseStream } = options.method_definition;
    this.permits = permits;
    const mostMs = Math.max(0, this.budgetMs / 2);
    const keptMs = this.servesFailures() ? Math.min(guard.settings.fallbackReserveMs, mostMs) : 0;
    guard.making = options.method_definition;
    try {
      this.real = this.makeCall(this.optionsUntil(this.deadlineMs - (responseStream ? 0 : keptMs))); // throws when closed
      guard.making = undefined;
      this.phase = 'calling';
      this.startedAtMs = guard.clock.now();
      if (requestStream || responseStream)
        this.watch = new StreamWatch(guard.clock, guard.settings, options.method_definition, this);
      // A stream that runs has no fallback any more: it keeps the whole of its deadline.
      if (keptMs > 0 && responseStream && this.budgetMs < Number.POSITIVE_INFINITY)
        this.watch?.firstMessageBy(this.budgetMs - keptMs);
      this.real.start(this.metadata, this);
    } catch (error) {
      guard.making = undefined;
      this.phase = 'done';
      this.watch?.stop();
      permits.settle('ignored', status.CANCELLED, 0, 0);
      throw error; // into the caller's code, as without a guard
    }
    if (this.reads > 0) this.watch?.reading();
    for (let left = this.reads; left > 0; left--) this.real.startRead();
  }

  /**
   * Never in this turn: a synchronous answer would be lost, and one in a microtask or nextTick lets a caller that tries
   * again in its callback starve the event loop.
   */
  private reject(entry: Entry, by: RejectedBy): void {
    this.phase = 'answering';
    if (this.chain?.serves('rejected') === true) {
      this.answering = Answering.rejected(this, entry, by);
      this.answering.start(this.isHalfSent());
    } else {
      setImmediate(giveRejection, this, by);
    }
  }

  /** The caller's listener, if it still waits for the end of a call that no fallback answers. */
  endRejected(): Partial<InterceptingListener> | undefined {
    if (this.phase !== 'answering') return undefined;
    this.phase = 'done';
    return this.listener;
  }
}
