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
  /** Undefined if the call has no observer. */
  readonly observed: ObservedCall | undefined;
  /** Undefined for a call without fallbacks. */
  readonly chain: FallbackChain | undefined;
  listener: Partial<InterceptingListener>;
  /** The caller's metadata; a copy if they are used after this turn. */
  metadata: Metadata;
  /** The first message. */
  request: unknown;
  /** Copies of all messages; undefined if no fallback needs them, or needs them any more. */
  sent: SentMessages | undefined;
  halfClosed: boolean;
  /** How many messages the caller has asked for, while no real call counts that. */
  reads: number;
  /** Milliseconds since the epoch; Infinity without a deadline. */
  deadlineMs: number;
  /** The real call, once it is made. It is kept after its end, because callers may then ask for its peer. */
  real: RealCall | undefined;
  /** What the call is doing now. */
  stage: Stage;
}

/**
 * A phase of a call. It handles everything that the caller and the real call do during this phase, and owns the data of the
 * phase. It sets `call.stage` to begin the next one.
 */
export interface Stage {
  // ---- by the caller
  start?(call: Call): void;
  sendMessage(call: Call, context: MessageContext, message: unknown): void;
  startRead(call: Call): void;
  halfClose(call: Call): void;
  cancel(call: Call, code: status, details: string): void;

  // ---- by the real call; a stage that does not have these methods ignores it
  onReceiveMetadata?(call: Call, metadata: Metadata): void;
  onReceiveMessage?(call: Call, message: unknown): void;
  onReceiveStatus?(call: Call, status: StatusObject): void;
}

/** A status OK that no server has sent. Only for use inside the guard, because users' code could change its metadata. */
export const OK_STATUS: StatusObject = Object.freeze(newOkStatus());

/** A new status OK that no server has sent, for users' code. */
export function newOkStatus(): StatusObject {
  return { code: status.OK, details: '', metadata: new Metadata() };
}

/** Keeps a message while there is no real call to send it. */
export function remember(call: Call, context: MessageContext, message: unknown): void {
  call.request ??= message;
  call.sent?.add(message);
  callWriterBack(context);
}

/** Calls the writer of a message back if no real call takes the message: otherwise the writer would wait for ever. */
export function callWriterBack({ callback }: MessageContext): void {
  if (callback !== undefined) process.nextTick(callback);
}

/** Gives the caller a status other than OK; before it, as in grpc-js, a null message if the response is unary. */
export function giveError(call: Call, received: StatusObject): void {
  if (!call.options.method_definition.responseStream) call.listener.onReceiveMessage?.(null);
  call.listener.onReceiveStatus?.(received);
}
