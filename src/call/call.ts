import type {
  InterceptingCall,
  InterceptingListener,
  InterceptorOptions,
  Metadata,
  NextCall,
  StatusObject,
  status,
} from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { FailsoftCallOptions } from '../guard/call-options.js';
import type { MethodGuard } from './method-guard.js';
import type { SentMessages } from './sent-messages.js';

/** The call that the next interceptor, or the channel, makes. */
export type RealCall = ReturnType<NextCall>;

export type MessageContext = Parameters<InterceptingCall['sendMessageWithContext']>[0];

/** The caller's facts: what a call was made with, and what its caller has done with it so far. */
export interface Call extends InterceptingListener {
  readonly method: MethodGuard;
  readonly options: InterceptorOptions;
  readonly callOptions: FailsoftCallOptions;
  readonly makeReal: NextCall;
  /** Undefined when this call has no fallbacks. */
  readonly chain: FallbackChain | undefined;
  listener: Partial<InterceptingListener>;
  /** As the caller sent it; a copy where it is used after the turn in which the call was made. */
  metadata: Metadata;
  /** The first message. */
  request: unknown;
  /** Copies of all messages; undefined where no fallback may look at them (any more). */
  sent: SentMessages | undefined;
  halfClosed: boolean;
  /** Messages of a response stream that the caller has asked for, while no real call counts them. */
  reads: number;
  /** Milliseconds since the epoch; Infinity without one. */
  deadlineMs: number;
  /** The real call, once there is one; also when it is over, as callers ask for its peer then. */
  real: RealCall | undefined;
  /** What the call is doing now. */
  stage: Stage;
}

/**
 * What a call is doing: it gets everything that the caller and the real call do, and owns what belongs to its part of the
 * call's life. It hands over to the next stage by setting `call.stage`.
 */
export interface Stage {
  // ---- by the caller
  start?(call: Call): void;
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  startRead(call: Call): void;
  halfClose(call: Call): void;
  cancel(call: Call, code: status, details: string): void;

  // ---- by the real call; a stage without these takes no notice of it
  onReceiveMetadata?(call: Call, metadata: Metadata): void;
  onReceiveMessage?(call: Call, message: unknown): void;
  onReceiveStatus?(call: Call, status: StatusObject): void;
}

/** Remembers a message that no real call takes now, and lets its writer go on: a writer that is not called back hangs. */
export function remember(call: Call, context: MessageContext, message: unknown): void {
  call.request ??= message;
  call.sent?.add(message);
  if (context.callback !== undefined) process.nextTick(context.callback);
}

/** Gives the caller a status other than OK. grpc-js itself delivers a null message before that of a unary response. */
export function giveError(call: Call, received: StatusObject): void {
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
  call.listener.onReceiveStatus?.(received);
}
