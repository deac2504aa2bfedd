import {
  type InterceptingCall,
  type InterceptingListener,
  type InterceptorOptions,
  Metadata,
  type NextCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { FailsoftCallOptions } from '../guard/call-options.js';
import type { ObservedCall } from '../telemetry/call-observers.js';
import type { MethodGuard } from './method-guard.js';
import type { SentMessages } from './sent-messages.js';

/** The call that the next interceptor, or the channel, makes. */
export type RealCall = ReturnType<NextCall>;

export type MessageContext = Parameters<InterceptingCall['sendMessageWithContext']>[0];

/** The caller's side of a call: its options, and everything that the caller has done so far. */
export interface Call extends InterceptingListener {
  readonly method: MethodGuard;
  readonly options: InterceptorOptions;
  readonly callOptions: FailsoftCallOptions;
  readonly makeReal: NextCall;
  /** Undefined when nobody observes the call. */
  readonly observed: ObservedCall | undefined;
  /** Undefined for a call without fallbacks. */
  readonly chain: FallbackChain | undefined;
  listener: Partial<InterceptingListener>;
  /** As the caller sent it; a copy where it is used after this turn. */
  metadata: Metadata;
  /** The first message. */
  request: unknown;
  /** Copies of all messages; undefined where no fallback needs them (any more). */
  sent: SentMessages | undefined;
  halfClosed: boolean;
  /** Number of reads by the caller, while no real call counts them. */
  reads: number;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  deadlineMs: number;
  /** The real call, from its start on. It stays when it is over, because callers then read its peer. */
  real: RealCall | undefined;
  /** The present part of the call's life. */
  stage: Stage;
}

/**
 * A part of a call's life. It handles everything that the caller and the real call do, and owns the data of its part. It sets
 * `call.stage` to hand over to the next stage.
 */
export interface Stage {
  // ---- by the caller
  start?(call: Call): void;
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  startRead(call: Call): void;
  halfClose(call: Call): void;
  cancel(call: Call, code: status, details: string): void;

  // ---- by the real call; a stage without these ignores it
  onReceiveMetadata?(call: Call, metadata: Metadata): void;
  onReceiveMessage?(call: Call, message: unknown): void;
  onReceiveStatus?(call: Call, status: StatusObject): void;
}

/** The status OK, where no server has given one. For use inside the guard: users' code could change its metadata. */
export const OK_STATUS: StatusObject = Object.freeze(newOkStatus());

/** The status OK, where no server has given one. */
export function newOkStatus(): StatusObject {
  return { code: status.OK, details: '', metadata: new Metadata() };
}

/** Remembers a message while there is no real call. */
export function remember(call: Call, context: MessageContext, message: unknown): void {
  call.request ??= message;
  call.sent?.add(message);
  callWriterBack(context);
}

/** Calls the writer of a message back that no real call takes: it would hang otherwise. */
export function callWriterBack({ callback }: MessageContext): void {
  if (callback !== undefined) process.nextTick(callback);
}

/** Gives the caller a status other than OK. Like grpc-js, it delivers a null message first where the response is unary. */
export function giveError(call: Call, received: StatusObject): void {
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
  call.listener.onReceiveStatus?.(received);
}
