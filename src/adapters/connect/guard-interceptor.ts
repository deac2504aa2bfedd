import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
} from '@connectrpc/connect';
import { Metadata } from '@grpc/grpc-js';
import type { GuardCallOptions, PrimaryContext } from '../../call/neutral/call-types.js';
import { checkBoolean, checkFunction, checkKeys, checkTarget } from '../../checks.js';
import type { FailsoftCallOptions } from '../../guard/call-options.js';
import type { Guard } from '../../guard/guard-options.js';
import { connectMethod, pathOf } from './connect-method.js';
import { errorOf, statusOf } from './errors.js';
import { timeoutOf, toGrpc, toHeaders, withTimeout } from './headers.js';

/** Options of {@link guardInterceptor}. */
export interface GuardInterceptorOptions {
  /** The target in the keys of the circuits, as in `guard.forTarget()`. @default '' */
  readonly target?: string;
  /**
   * Your statement that no code behind the guard sends other values of the headers that `vary` of `lastGood` names: neither the
   * interceptors after the guard nor the transport. The guard cannot see what such code sends. So without this statement `lastGood`
   * keeps an answer only with `vary: []`, and warns. @default false
   */
  readonly sendsAsGiven?: boolean;
  /** Gives the options of failsoft for a call; it may read a context value of the request, for example. @default none */
  readonly callOptions?: (request: UnaryRequest | StreamRequest) => FailsoftCallOptions | undefined;
}

type Next = ReturnType<Interceptor>;

/**
 * An interceptor for transports of connect-es 2: Connect, gRPC and gRPC-Web, unary calls and streams. Put it first in the list
 * (`interceptors: [guardInterceptor(guard), retry]`): the first interceptor is the outermost.
 *
 * A degraded answer is labelled in its headers. The headers of a stream come with its first message. A rejected call is a
 * ConnectError `Unavailable`, which `circuitRejectionOf(error)` reads.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 * @example const transport = createGrpcTransport({ baseUrl, interceptors: [guardInterceptor(guard)] });
 */
export function guardInterceptor(
  guard: Pick<Guard, 'call' | 'callStream'>,
  options: GuardInterceptorOptions = {},
): Interceptor {
  checkFunction('guardInterceptor.guard.call', guard?.call);
  checkKeys('guardInterceptor.options', options, ['target', 'callOptions', 'sendsAsGiven']);
  const { target, callOptions, sendsAsGiven = false } = options;
  checkBoolean('guardInterceptor.options.sendsAsGiven', sendsAsGiven);
  if (callOptions !== undefined) checkFunction('guardInterceptor.options.callOptions', callOptions);
  if (target !== undefined) checkTarget('guardInterceptor.options.target', target);
  return (next) => async (request) => {
    const signal = new CallerSignal(request.signal);
    const timeoutMs = timeoutOf(request.header);
    const guardOptions: GuardCallOptions = {
      ...callOptions?.(request),
      target,
      signal: signal.signal,
      metadata: toGrpc(request.header),
      ...(timeoutMs !== undefined && { deadline: Date.now() + timeoutMs }),
      statusOf,
      errorOf,
    };
    try {
      if (!request.stream) return await unary(guard, next, request, guardOptions, sendsAsGiven);
      if (request.method.methodKind === 'client_streaming')
        return await clientStream(guard, next, request, guardOptions, sendsAsGiven);
      return await responseStream(guard, next, request, guardOptions);
    } catch (error) {
      throw signal.original(error);
    }
  };
}

async function unary(
  guard: Pick<Guard, 'call'>,
  next: Next,
  request: UnaryRequest,
  options: GuardCallOptions,
  sendsAsGiven: boolean,
): ReturnType<Next> {
  const { service, method } = request;
  let own: Awaited<ReturnType<Next>> | undefined;
  const { response, label } = await guard.call<unknown, unknown>(
    { path: pathOf(method) },
    request.message,
    async (context) => {
      const changed = below(request, context);
      own = await next({ ...request, ...changed });
      context.onSent(sendsAsGiven ? toGrpc(changed.header) : undefined);
      context.onHeaders(toGrpc(own.header));
      return own.message;
    },
    options,
  );
  if (label === undefined && own !== undefined) return own;
  return {
    stream: false,
    service,
    method,
    header: toHeaders(label ?? new Metadata()),
    trailer: new Headers(),
    // the chain has decoded it with this method's own schema
    message: response as UnaryRequest['message'],
  };
}

/** Makes a client-streaming call. For connect-es its answer is a stream with a single message. */
async function clientStream(
  guard: Pick<Guard, 'call'>,
  next: Next,
  request: StreamRequest,
  options: GuardCallOptions,
  sendsAsGiven: boolean,
): ReturnType<Next> {
  let own: Awaited<ReturnType<Next>> | undefined;
  let messages: Messages = [];
  const { response, label } = await guard.call<StreamRequest['message'], unknown>(
    { path: pathOf(request.method), requestStream: true },
    request.message,
    async (context) => {
      const changed = below(request, context);
      own = await next({ ...request, ...changed, message: context.request });
      context.onSent(sendsAsGiven ? toGrpc(changed.header) : undefined);
      context.onHeaders(toGrpc(own.header));
      messages = own.stream ? await readAll(own.message) : [own.message];
      return messages[0];
    },
    options,
  );
  // the chain has decoded it with this method's own schema
  if (label !== undefined) messages = [response as Messages[number]];
  return answerOf(request, own, label, iterableOf(messages));
}

type Messages = readonly UnaryRequest['message'][];

async function readAll(messages: AsyncIterable<UnaryRequest['message']>): Promise<Messages> {
  const read: UnaryRequest['message'][] = [];
  for await (const message of messages) read.push(message);
  return read;
}

async function* iterableOf(messages: Messages): AsyncGenerator<UnaryRequest['message']> {
  yield* messages;
}

async function responseStream(
  guard: Pick<Guard, 'callStream'>,
  next: Next,
  request: StreamRequest,
  options: GuardCallOptions,
): ReturnType<Next> {
  const { requestStream } = connectMethod(request.method);
  let own: Awaited<ReturnType<Next>> | undefined;
  const messages = guard.callStream<StreamRequest['message'], UnaryRequest['message']>(
    { path: pathOf(request.method), requestStream, responseStream: true },
    request.message,
    async (context) => {
      own = await next({ ...request, ...below(request, context), message: context.request });
      context.onHeaders(toGrpc(own.header));
      if (!own.stream) throw new ConnectError('expected a stream', Code.Internal);
      return own.message;
    },
    options,
  );
  await messages.ready();
  return answerOf(request, own, messages.label, messages);
}

/**
 * The answer as connect-es gets it: with the headers and trailers of the server, or with the label of a fallback as headers.
 * @param own the server's answer; undefined where the real call gave none
 * @param label undefined where no fallback has answered
 */
function answerOf(
  { service, method }: StreamRequest,
  own: Awaited<ReturnType<Next>> | undefined,
  label: Metadata | undefined,
  message: AsyncIterable<Messages[number]>,
): StreamResponse {
  const server = label === undefined ? own : undefined;
  return {
    stream: true,
    service,
    method,
    header: server?.header ?? toHeaders(label ?? new Metadata()),
    trailer: server?.trailer ?? new Headers(),
    message,
  };
}

/**
 * The parts of a request that differ for the interceptors behind the guard: the guard's signal, and a copy of the headers, which
 * they may change, with a time limit that leaves time for fallbacks.
 */
function below(
  { header }: UnaryRequest | StreamRequest,
  { remainingMs, signal }: PrimaryContext<unknown>,
): { readonly signal: AbortSignal; readonly header: Headers } {
  return {
    signal,
    header: remainingMs < Number.POSITIVE_INFINITY ? withTimeout(header, remainingMs) : new Headers(header),
  };
}

/**
 * The caller's signal in the form that the guard reads: when the time of the call is over, a transport aborts its signal with a
 * ConnectError, where the guard needs a `TimeoutError`.
 */
class CallerSignal {
  readonly signal: AbortSignal;
  readonly #given: AbortSignal;
  #timeout: DOMException | undefined;

  constructor(given: AbortSignal) {
    const controller = new AbortController();
    this.#given = given;
    this.signal = controller.signal;
    const abort = () => controller.abort(this.#reason());
    if (given.aborted) abort();
    else given.addEventListener('abort', abort, { once: true }); // not removed: the transport makes a signal for each call
  }

  #reason(): unknown {
    const reason: unknown = this.#given.reason;
    if (!(reason instanceof ConnectError) || reason.code !== Code.DeadlineExceeded) return reason;
    this.#timeout = new DOMException(reason.message, 'TimeoutError');
    return this.#timeout;
  }

  /** Gives the transport's own error in place of the TimeoutError, and any other error as it is. */
  original(error: unknown): unknown {
    return error === this.#timeout && error !== undefined ? this.#given.reason : error;
  }
}
