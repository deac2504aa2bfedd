import {
  InterceptingCall,
  type InterceptingListener,
  type InterceptorOptions,
  Metadata,
  type NextCall,
  type StatusObject,
  type status,
} from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import { type FailsoftCallOptions, NO_CALL_OPTIONS } from '../guard/call-options.js';
import { withCodeOfGrpc } from '../status/normal-status.js';
import type { ObservedCall } from '../telemetry/call-observers.js';
import type { Call, MessageContext, RealCall, Stage } from './call.js';
import type { MethodGuard } from './method-guard.js';
import { NOT_STARTED } from './not-started.js';
import { copyOf, isPlain } from './options-copy.js';
import type { SentMessages } from './sent-messages.js';

/** The base class would forward to this object, but every method that does so is overridden. */
const NO_CALL: RealCall = Object.create(null);
const NO_LISTENER: Partial<InterceptingListener> = Object.freeze({});
const NO_METADATA = new Metadata();

/**
 * A guarded call of any of the four kinds. For the caller it is the call, for the real call it is the listener. It keeps what the
 * caller has done so far; its stage does all the work:
 *
 *     NotStarted ─► AwaitingMessage ─► (admission) ─┬─► Primary | ReplaceablePrimary ─┬─► Over
 *                                                   ├─► Rejecting                     │
 *                                                   └─► AwaitingRequest ─► Fallback ◄─┘
 */
export class GuardedCall extends InterceptingCall implements Call {
  readonly method: MethodGuard;
  readonly options: InterceptorOptions;
  readonly callOptions: FailsoftCallOptions;
  readonly makeReal: NextCall;
  readonly observed: ObservedCall | undefined;
  readonly chain: FallbackChain | undefined;
  listener: Partial<InterceptingListener> = NO_LISTENER;
  metadata: Metadata = NO_METADATA;
  request: unknown = undefined;
  sent: SentMessages | undefined = undefined;
  halfClosed = false;
  reads = 0;
  deadlineMs = Number.POSITIVE_INFINITY;
  real: RealCall | undefined = undefined;
  stage: Stage = NOT_STARTED;

  constructor(
    method: MethodGuard,
    options: InterceptorOptions,
    makeReal: NextCall,
    callOptions = NO_CALL_OPTIONS,
  ) {
    super(NO_CALL);
    this.method = method;
    this.callOptions = callOptions;
    this.makeReal = makeReal;
    this.observed = method.observers.begin(method.clock);
    this.chain = callOptions.fallback === false ? undefined : method.chain();
    // a copy if fallbacks read them later, when an interceptor before the guard may have changed them for another call
    this.options = this.chain?.readsCall === true || !isPlain(options) ? copyOf(options) : options;
  }

  // ---------------------------------------------------------------- by the caller

  override start(metadata: Metadata, listener: Partial<InterceptingListener> = NO_LISTENER): void {
    this.metadata = metadata;
    this.listener = listener;
    this.stage.start?.(this);
  }

  override sendMessageWithContext(context: MessageContext, message: unknown): void {
    this.stage.sendMessage(this, context, message);
  }

  override sendMessage(message: unknown): void {
    this.stage.sendMessage(this, {}, message);
  }

  override startRead(): void {
    this.stage.startRead(this);
  }

  override halfClose(): void {
    this.stage.halfClose(this);
  }

  override cancelWithStatus(code: status, details: string): void {
    this.stage.cancel(this, code, details);
  }

  override getPeer(): string {
    return this.real?.getPeer() ?? 'unknown';
  }

  override getAuthContext(): ReturnType<InterceptingCall['getAuthContext']> {
    return this.real?.getAuthContext?.() ?? null; // exists from grpc-js 1.14 on
  }

  // ---------------------------------------------------------------- by the real call

  onReceiveMetadata(metadata: Metadata): void {
    this.stage.onReceiveMetadata?.(this, metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.stage.onReceiveMessage?.(this, message);
  }

  onReceiveStatus(status: StatusObject): void {
    this.stage.onReceiveStatus?.(this, withCodeOfGrpc(status));
  }
}

forwardUnknownMethods();

/** Forwards the methods that a later grpc-js adds to its calls to the real call, if there is one. */
function forwardUnknownMethods(): void {
  for (const name of Object.getOwnPropertyNames(InterceptingCall.prototype)) {
    if (Object.hasOwn(GuardedCall.prototype, name)) continue;
    if (typeof Reflect.get(InterceptingCall.prototype, name) !== 'function') continue;
    Object.defineProperty(GuardedCall.prototype, name, {
      configurable: true,
      writable: true,
      value(this: GuardedCall, ...args: unknown[]): unknown {
        const { real } = this;
        const method: unknown = real && Reflect.get(real, name);
        return typeof method === 'function' ? Reflect.apply(method, real, args) : undefined;
      },
    });
  }
}
